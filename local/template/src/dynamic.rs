//! Dynamic references: `{{resolve:secretsmanager:<id>:SecretString}}`, which `CloudFormation`
//! replaces by a secret's value while it deploys.
//!
//! A stack on one machine has one secret; other references are faults.

use super::settings::Settings;

const START: &str = "{{resolve:";
const SECRET: &str = "secretsmanager:";
const VALUE: &str = ":SecretString";

/// The text with every dynamic reference replaced.
pub(super) fn resolve(text: &str, settings: &Settings) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        let (reference, tail) =
            after.split_once("}}").ok_or_else(|| format!("{text}: a {START} isn't closed"))?;
        let id = reference.strip_prefix(SECRET).and_then(|rest| rest.strip_suffix(VALUE));
        if id.is_none_or(str::is_empty) {
            return Err(format!(
                "the local stack doesn't know the reference {START}{reference}}}}}"
            ));
        }
        result.push_str(before);
        result.push_str(&settings.secret);
        rest = tail;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_the_secret_becomes_its_value_and_others_are_faults() {
        let settings = Settings { secret: "key".to_owned(), ..Settings::default() };
        let resolved = |text: &str| resolve(text, &settings);
        let secret = "{{resolve:secretsmanager:arn:aws:secretsmanager:x:1:secret:S:SecretString}}";
        assert_eq!(resolved("plain"), Ok("plain".to_owned()));
        assert_eq!(resolved(&format!("own,{secret}")), Ok("own,key".to_owned()));
        for wrong in [
            "{{resolve:ssm:/p}}",
            "{{resolve:secretsmanager:x",
            "{{resolve:secretsmanager::SecretString}}",
        ] {
            assert!(resolved(wrong).is_err(), "{wrong}");
        }
    }
}
