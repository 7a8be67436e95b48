//! Random JSON values, written badly on purpose, and what JavaScript would print for them, by the
//! simplest means.

use std::fmt::Write;

use proptest::prelude::*;

/// A value as JavaScript holds it, so strings are UTF-16 and may be malformed.
#[derive(Debug, Clone)]
pub(super) enum Model {
    Literal(&'static str),
    Number(f64),
    Text(Vec<u16>),
    Array(Vec<Model>),
    Object(Vec<(Vec<u16>, Model)>),
}

pub(super) fn models() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Model::Literal),
        numbers().prop_map(Model::Number),
        texts().prop_map(Model::Text),
    ];
    leaf.prop_recursive(4, 64, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Model::Array),
            prop::collection::vec((keys(), inner), 0..12).prop_map(Model::Object),
        ]
    })
}

fn numbers() -> impl Strategy<Value = f64> {
    let integers = any::<i32>().prop_map(f64::from);
    let decimals =
        (any::<i32>(), 0..12).prop_map(|(digits, shift)| f64::from(digits) / 10_f64.powi(shift));
    prop_oneof![
        integers,
        decimals,
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO
    ]
}

fn texts() -> impl Strategy<Value = Vec<u16>> {
    let special = vec![b'"'.into(), b'\\'.into(), b'/'.into(), 0x7f, 0x2028, 0xfffe, 0xffff];
    let unit = prop_oneof![
        4 => 0x20_u16..0x7f,
        2 => 0_u16..0x20,
        2 => prop::sample::select(special),
        2 => 0xd800_u16..0xdc00,
        2 => 0xdc00_u16..0xe000,
        1 => any::<u16>(),
    ];
    prop::collection::vec(unit, 0..12)
}

fn keys() -> impl Strategy<Value = Vec<u16>> {
    let names = prop_oneof!["[0-9]{1,2}", "42949672[89][0-9]", "[ab]{0,2}", "__proto__"];
    prop_oneof![4 => names.prop_map(|name| name.encode_utf16().collect::<Vec<_>>()), 1 => texts()]
}

/// The value as JSON text in some odd but valid form. The seed picks it.
pub(super) fn written_badly(model: &Model, seed: u64) -> String {
    let mut writer = BadWriter { seed, out: String::new() };
    writer.value(model);
    writer.out
}

struct BadWriter {
    seed: u64,
    out: String,
}

impl BadWriter {
    /// A linear congruential step (Knuth's MMIX constants): enough to choose a style.
    fn choose(&mut self, choices: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % choices
    }

    fn blank(&mut self) {
        let blank = ["", "", "", " ", "\n\t", "\r\n"][usize::try_from(self.choose(6)).unwrap()];
        self.out.push_str(blank);
    }

    fn token(&mut self, token: &str) {
        self.blank();
        self.out.push_str(token);
        self.blank();
    }

    fn value(&mut self, model: &Model) {
        match model {
            Model::Literal(literal) => self.token(literal),
            Model::Number(number) => self.number(*number),
            Model::Text(units) => self.text(units),
            Model::Array(values) => {
                self.token("[");
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.token(",");
                    }
                    self.value(value);
                }
                self.token("]");
            }
            Model::Object(members) => {
                self.token("{");
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.token(",");
                    }
                    self.text(key);
                    self.token(":");
                    self.value(value);
                }
                self.token("}");
            }
        }
    }

    /// Rust prints the shortest decimal too, so each of these forms has the value that JavaScript
    /// prints.
    fn number(&mut self, number: f64) {
        let text = match self.choose(4) {
            0 => format!("{number:e}"),
            1 => format!("{number:E}").replace('E', "E+").replace("+-", "-"),
            2 => format!("{number:?}"),
            _ => {
                let plain = format!("{number}");
                let point = if plain.contains('.') { "000" } else { ".000" };
                plain + point
            }
        };
        self.token(&text);
    }

    fn text(&mut self, units: &[u16]) {
        self.blank();
        self.out.push('"');
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok(c) if c >= ' ' && c != '"' && c != '\\' && self.choose(3) > 0 => {
                    self.out.push(c);
                }
                Ok('/') => self.out.push_str("\\/"),
                Ok('\n') if self.choose(2) == 0 => self.out.push_str("\\n"),
                Ok('\\') if self.choose(2) == 0 => self.out.push_str("\\\\"),
                Ok(c) => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| self.escape(*unit)),
                Err(lone) => self.escape(lone.unpaired_surrogate()),
            }
        }
        self.out.push('"');
        self.blank();
    }

    fn escape(&mut self, unit: u16) {
        if self.choose(2) == 0 {
            write!(self.out, "\\u{unit:04x}").unwrap();
        } else {
            write!(self.out, "\\u{unit:04X}").unwrap();
        }
    }
}

/// What `JSON.stringify(JSON.parse(text))` prints, by the words of ECMA-262 and without a thought
/// for speed.
pub(super) fn as_javascript(model: &Model) -> String {
    match model {
        Model::Literal(literal) => (*literal).to_owned(),
        Model::Number(number) => ryu_js::Buffer::new().format(*number).to_owned(),
        Model::Text(units) => quoted(units),
        Model::Array(values) => {
            format!("[{}]", values.iter().map(as_javascript).collect::<Vec<_>>().join(","))
        }
        Model::Object(members) => {
            let mut properties: Vec<(&Vec<u16>, String)> = Vec::new();
            for (key, value) in members {
                match properties.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => *known = as_javascript(value),
                    None => properties.push((key, as_javascript(value))),
                }
            }
            properties.sort_by_key(|(key, _)| array_index(key).unwrap_or(u64::MAX));
            let members: Vec<_> =
                properties.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// `serde_json` prints well-formed characters as ECMAScript does.
fn quoted(units: &[u16]) -> String {
    let mut text = String::from('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => {
                let quoted = serde_json::to_string(&c).unwrap();
                text.push_str(&quoted[1..quoted.len() - 1]);
            }
            Err(lone) => write!(text, "\\u{:04x}", lone.unpaired_surrogate()).unwrap(),
        }
    }
    text.push('"');
    text
}

fn array_index(key: &[u16]) -> Option<u64> {
    let key = String::from_utf16(key).ok()?;
    let index: u64 = key.parse().ok()?;
    (index.to_string() == key && index < 4_294_967_295).then_some(index)
}
