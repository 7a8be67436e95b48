//! Functions as the stack runs them: real processes with the real `lambda_runtime`, behind the API and behind a queue.

mod fake;
mod front;
mod poller;
mod runtime;
