//! Names of queues in ARNs.

/// The queue's name from its ARN, `None` if it isn't an SQS ARN.
pub(crate) fn name_of_arn(arn: &str) -> Option<&str> {
    let mut fields = arn.split(':');
    let is_sqs = fields.next() == Some("arn")
        && fields.next().is_some_and(|partition| partition.starts_with("aws"))
        && fields.next() == Some("sqs");
    let name = fields.nth(2).filter(|name| !name.is_empty());
    name.filter(|_| is_sqs && fields.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_an_arn() {
        assert_eq!(name_of_arn("arn:aws:sqs:us-east-1:000000000000:dead"), Some("dead"));
        assert_eq!(name_of_arn("arn:aws-cn:sqs:cn-north-1:000000000000:dead"), Some("dead"));
        for wrong in [
            "",
            "dead",
            "arn:aws:sns:us-east-1:000000000000:dead",
            "arn:aws:sqs:us-east-1:dead",
            "arn:aws:sqs:us-east-1:000000000000:",
            "arn:aws:sqs:us-east-1:000000000000:dead:more",
        ] {
            assert_eq!(name_of_arn(wrong), None, "{wrong}");
        }
    }
}
