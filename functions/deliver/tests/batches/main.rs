//! The `deliver` function as Lambda's event source mappings meet it, on the stand-ins for AWS and with its own role.

mod failing;
mod first_attempts;
mod mixed;
mod receivers;
mod retrying;
mod support;
