//! HMAC-SHA256 (RFC 2104) over parts, so that nothing is copied together.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The tag of the parts.
pub(super) fn sign(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    over(key, parts).finalize().into_bytes().to_vec()
}

/// Whether the tag is that of the parts, in constant time.
pub(super) fn verify(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    over(key, parts).verify_slice(tag).is_ok()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length, so this can't fail")]
fn over(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_verified_whole_and_by_its_key() {
        let tag = sign(b"Jefe", &[b"a", b"b"]);
        assert!(verify(b"Jefe", &[b"ab"], &tag), "parts are joined");
        assert!(!verify(b"jefe", &[b"ab"], &tag) && !verify(b"Jefe", &[b"ba"], &tag));
        assert!(!verify(b"Jefe", &[b"ab"], &tag[..31]) && !verify(b"Jefe", &[b"ab"], b""));
    }

    /// RFC 4231, test cases 2 and 6: a short key, and one longer than SHA-256's block.
    #[test]
    fn the_published_vectors_are_reproduced() {
        assert_eq!(
            hex::encode(sign(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex::encode(sign(
                &[0xaa; 131],
                &[b"Test Using Larger Than Block-Size Key - Hash Key First"]
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
