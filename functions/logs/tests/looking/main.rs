//! The `logs` function as API Gateway meets it, on the stand-ins for AWS and with its own role.

mod attempts;
mod messages;
mod resending;
mod support;
