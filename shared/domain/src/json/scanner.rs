//! Walks the input and writes the canonical text: one pass, values appended to one output.
//!
//! The scanner recurses on a producer's input, so [`MAX_DEPTH`] bounds it. Nothing else recurses.

use super::{
    error::{JsonError, JsonProblem, MAX_DEPTH},
    numbers, objects, strings,
};

/// A place in the input, and the canonical text of what lies before it.
pub(super) struct Scanner<'a> {
    input: &'a str,
    position: usize,
    out: String,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, position: 0, out: String::with_capacity(input.len()) }
    }

    pub(super) fn canonicalise(mut self) -> Result<String, JsonError> {
        self.value(0)?;
        match self.next_token() {
            None => Ok(self.out),
            Some(_) => Err(self.problem(JsonProblem::TrailingText)),
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.next_token() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) => Err(self.problem(JsonProblem::UnexpectedCharacter)),
            None => Err(self.problem(JsonProblem::UnexpectedEnd)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(b'[', depth)?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.takes(b',') {
                return self.take(b']');
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(b'{', depth)?;
        let mut members = objects::Members::starting_at(self.out.len());
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.key()?;
            let key_end = self.out.len();
            self.take(b':')?;
            self.value(depth)?;
            members.push(key_end, self.out.len());
            if !self.takes(b',') {
                break;
            }
        }
        members.arrange(&mut self.out);
        self.take(b'}')
    }

    fn key(&mut self) -> Result<(), JsonError> {
        match self.next_token() {
            Some(b'"') => self.string(),
            Some(_) => Err(self.problem(JsonProblem::UnexpectedCharacter)),
            None => Err(self.problem(JsonProblem::UnexpectedEnd)),
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.position = strings::canonicalise(self.input, self.position, &mut self.out)?;
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.position = numbers::canonicalise(self.input, self.position, &mut self.out)?;
        Ok(())
    }

    fn literal(&mut self, literal: &str) -> Result<(), JsonError> {
        for expected in literal.bytes() {
            match self.input.as_bytes().get(self.position) {
                Some(byte) if *byte == expected => self.position += 1,
                Some(_) => return Err(self.problem(JsonProblem::UnexpectedCharacter)),
                None => return Err(self.problem(JsonProblem::UnexpectedEnd)),
            }
        }
        self.out.push_str(literal);
        Ok(())
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.problem(JsonProblem::TooDeep));
        }
        self.take(bracket)
    }

    /// The next byte that isn't white space, by RFC 8259 §2.
    fn next_token(&mut self) -> Option<u8> {
        let rest = &self.input.as_bytes()[self.position..];
        let blank =
            rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.position += blank;
        rest.get(blank).copied()
    }

    /// Moves over a structural character if it comes next.
    fn takes(&mut self, expected: u8) -> bool {
        let found = self.next_token() == Some(expected);
        if found {
            self.position += 1;
            self.out.push(char::from(expected));
        }
        found
    }

    fn take(&mut self, expected: u8) -> Result<(), JsonError> {
        if self.takes(expected) {
            return Ok(());
        }
        let ended = self.position == self.input.len();
        Err(self.problem(if ended {
            JsonProblem::UnexpectedEnd
        } else {
            JsonProblem::UnexpectedCharacter
        }))
    }

    fn problem(&self, problem: JsonProblem) -> JsonError {
        problem.at(self.position)
    }
}
