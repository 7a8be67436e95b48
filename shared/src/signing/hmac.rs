//! HMAC-SHA256, over parts so that nothing is copied together.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, verify as verify_tag};

/// The tag of the parts.
pub(super) fn sign(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::with_key(&Key::new(HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// Whether the tag is that of the parts, in constant time.
pub(super) fn verify(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    verify_tag(&Key::new(HMAC_SHA256, key), &parts.concat(), tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6: a short key, and one longer than SHA-256's block.
    #[test]
    fn the_published_vectors_are_reproduced() {
        assert_eq!(
            hex::encode(sign(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex::encode(sign(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
