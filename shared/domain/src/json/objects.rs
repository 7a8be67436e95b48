//! The order of an object's members, as a JavaScript object has it.
//!
//! ECMA-262 §10.1.11.1 (`OrdinaryOwnPropertyKeys`): array indices first, ascending, then the other
//! keys as they came. A key that comes again gives its first place the last value, as `JSON.parse`
//! does.
//!
//! The members are already written when their order is known, so an object is rewritten only when
//! it must change, and duplicates are found by hash, with a random seed.

use std::collections::HashMap;

/// The largest array index (ECMA-262 §6.1.7): 2^32 - 2. Larger numbers are keys like any other.
const MAX_INDEX: u64 = 4_294_967_294;

/// Objects up to this size are searched one by one, which is faster than hashing.
const FEW: usize = 8;

/// Where the members of one object stand in the output.
pub(super) struct Members {
    start: usize,
    members: Vec<Member>,
}

/// `"key":value` from `start` to `end`; the key with its quotes ends at `key_end`.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

impl Members {
    /// The members of an object whose first one will be written at `start`.
    pub(super) fn starting_at(start: usize) -> Self {
        Self { start, members: Vec::new() }
    }

    /// Notes the member just written. One comma separates it from the one before.
    pub(super) fn push(&mut self, key_end: usize, end: usize) {
        let start = self.members.last().map_or(self.start, |last| last.end + 1);
        self.members.push(Member { start, key_end, end });
    }

    /// Rewrites the members at the end of the output in JavaScript's order.
    pub(super) fn arrange(self, out: &mut String) {
        let indices = self.members.iter().any(|member| member.index(out).is_some());
        let places = self.first_places(out);
        let duplicates = places.iter().enumerate().any(|(own, first)| own != *first);
        if !indices && !duplicates {
            return;
        }
        let arranged = self.in_order(&places, out);
        let text = arranged
            .iter()
            .map(|member| &out[member.start..member.end])
            .collect::<Vec<_>>()
            .join(",");
        out.truncate(self.start);
        out.push_str(&text);
    }

    /// For each member the place of the first one with its key. Keys are in canonical form, so
    /// equal text is an equal key.
    fn first_places(&self, out: &str) -> Vec<usize> {
        let keys = || self.members.iter().map(|member| member.key(out));
        if self.members.len() <= FEW {
            return keys()
                .enumerate()
                .map(|(own, key)| keys().position(|other| other == key).unwrap_or(own))
                .collect();
        }
        let mut first = HashMap::with_capacity(self.members.len());
        keys().enumerate().map(|(own, key)| *first.entry(key).or_insert(own)).collect()
    }

    fn in_order(&self, places: &[usize], out: &str) -> Vec<Member> {
        let mut winners = vec![None; self.members.len()];
        for (member, place) in self.members.iter().zip(places) {
            winners[*place] = Some(*member);
        }
        let mut arranged: Vec<Member> = winners.into_iter().flatten().collect();
        // Stable: keys that are no indices keep their order, behind all indices.
        arranged.sort_by_key(|member| member.index(out).unwrap_or(u64::MAX));
        arranged
    }
}

impl Member {
    fn key<'a>(&self, out: &'a str) -> &'a str {
        &out[self.start + 1..self.key_end - 1]
    }

    /// The array index that the key is: decimal, without leading zeros.
    fn index(&self, out: &str) -> Option<u64> {
        let key = self.key(out);
        let canonical =
            key == "0" || (key.len() <= 10 && key.starts_with(|c: char| matches!(c, '1'..='9')));
        if !canonical || !key.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        key.parse().ok().filter(|index| *index <= MAX_INDEX)
    }
}
