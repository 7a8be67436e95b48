//! Texts as attributes: deflated where that saves a write unit.

use std::io::{Read, Write};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde_json::value::RawValue;

/// Texts from here on are stored compressed: shorter ones fit into a write unit (1 KiB) as they
/// are.
const COMPRESS_FROM: usize = 800;
/// No stored payload inflates to more: data and metadata, with room.
const MAX_INFLATED: u64 = 1 << 20;

/// A payload as an attribute: text when small, deflated bytes when that saves something.
pub(crate) fn pack(text: &str) -> AttributeValue {
    let deflate = || {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).ok()
    };
    match (text.len() >= COMPRESS_FROM).then(deflate).flatten() {
        Some(bytes) if bytes.len() < text.len() => AttributeValue::B(Blob::new(bytes)),
        _ => AttributeValue::S(text.to_owned()),
    }
}

/// Undoes [`pack`] for JSON.
pub(crate) fn unpack(value: Option<AttributeValue>) -> Option<Box<RawValue>> {
    RawValue::from_string(unpack_text(&value?)?).ok()
}

/// Undoes [`pack`].
pub(crate) fn unpack_text(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text.clone()),
        AttributeValue::B(bytes) => {
            let mut text = String::new();
            DeflateDecoder::new(bytes.as_ref())
                .take(MAX_INFLATED)
                .read_to_string(&mut text)
                .ok()?;
            Some(text)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_survive_packing_small_large_and_incompressible() {
        let noise: String = (0..5_000_u32)
            .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 90))
            .filter(|c| !"\"\\".contains(*c))
            .collect();
        for (text, packed) in [
            ("{}".to_owned(), false),
            (format!("\"{}\"", "a".repeat(100_000)), true),
            (format!("\"{noise}\""), true),
        ] {
            let value = pack(&text);
            assert_eq!(value.is_b(), packed);
            assert_eq!(unpack(Some(value)).unwrap().get(), text);
        }
    }
}
