//! Other emulators: who calls them, and in which account.

use sam_template::ACCOUNT;

/// Access key id for other emulators where the user's environment has none.
const FOREIGN_ACCESS_KEY: &str = "test";

/// The access key id for other emulators: the user's own, if there is one.
pub(super) fn foreign_access_key() -> String {
    std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_else(|_| FOREIGN_ACCESS_KEY.to_owned())
}

/// The account in which other emulators keep what is made with [`foreign_access_key`]: those that
/// tell accounts apart take a key of twelve digits for one.
pub(super) fn foreign_account() -> String {
    account_of(foreign_access_key())
}

fn account_of(access_key: String) -> String {
    let is_account = access_key.len() == 12 && access_key.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { access_key } else { ACCOUNT.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_of_twelve_digits_is_an_account_of_its_own() {
        assert_eq!(account_of("123456789012".to_owned()), "123456789012");
        for key in ["test", "12345678901", "AKIA56789012"] {
            assert_eq!(account_of(key.to_owned()), ACCOUNT);
        }
    }
}
