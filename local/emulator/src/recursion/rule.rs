//! Which messages of a batch may invoke a function.
//!
//! Lambda stops the next invocation once "a function is invoked by the same triggering event more
//! than 16 times". A message that is refused stays on its queue: it is received again and again
//! until the queue's redrive policy takes it.
//!
//! Where this simplifies: AWS doesn't say what becomes of a batch whose messages are of several
//! chains. Here each message is judged for itself, and an invocation is as old as its oldest chain
//! ([`Trace::joined`]), so that a chain can't become younger in the company of others.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use super::Trace;

/// Invocations of a function by one chain.
pub const MOST: u32 = 16;

/// What guards a function.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The function's ARN.
    pub function: String,
    /// `RecursiveLoop: Allow`: the chain is counted, but nothing is refused.
    pub allows: bool,
}

/// A batch, judged.
#[derive(Debug)]
pub struct Sorted {
    /// The messages that may invoke the function.
    pub taken: Vec<Message>,
    /// The chain that continues with them.
    pub trace: Trace,
    /// How many messages stay on the queue.
    pub refused: usize,
}

impl Guard {
    /// Judges each message of a batch.
    pub fn sort(&self, messages: Vec<Message>) -> Sorted {
        let all = messages.len();
        let (mut taken, mut joined) = (Vec::new(), None::<Trace>);
        for message in messages {
            let trace = trace_of(&message);
            if !self.allows
                && trace.as_ref().is_some_and(|trace| trace.invocations(&self.function) >= MOST)
            {
                continue;
            }
            taken.push(message);
            joined = match (joined, trace) {
                (Some(one), Some(other)) => Some(one.joined(&other)),
                (one, other) => one.or(other),
            };
        }
        let trace = joined.unwrap_or_else(Trace::begin).invoking(&self.function);
        Sorted { refused: all - taken.len(), taken, trace }
    }
}

fn trace_of(message: &Message) -> Option<Trace> {
    Trace::read(message.attributes()?.get(&MessageSystemAttributeName::AwsTraceHeader)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:deliver";

    fn guard(allows: bool) -> Guard {
        Guard { function: FUNCTION.to_owned(), allows }
    }

    /// A message of a chain that has invoked the function so often.
    fn after(invocations: u32) -> Message {
        let trace = (0..invocations).fold(Trace::begin(), |trace, _| trace.invoking(FUNCTION));
        let header = MessageSystemAttributeName::AwsTraceHeader;
        Message::builder()
            .message_id(invocations.to_string())
            .attributes(header, trace.to_string())
            .build()
    }

    #[test]
    fn a_chain_invokes_a_function_sixteen_times() {
        let mut message = Message::builder().build();
        let mut invoked = 0;
        loop {
            let sorted = guard(false).sort(vec![message]);
            if sorted.refused == 1 {
                break;
            }
            invoked += 1;
            let header = MessageSystemAttributeName::AwsTraceHeader;
            message = Message::builder().attributes(header, sorted.trace.to_string()).build();
        }
        assert_eq!(invoked, 16);
    }

    #[test]
    fn with_allow_a_chain_goes_on_and_is_counted() {
        let sorted = guard(true).sort(vec![after(1_000)]);
        assert_eq!((sorted.taken.len(), sorted.trace.invocations(FUNCTION)), (1, 1_001));
    }

    #[test]
    fn of_a_batch_only_what_is_too_old_is_refused() {
        let batch =
            vec![after(3), after(16), Message::builder().message_id("new").build(), after(5)];
        let sorted = guard(false).sort(batch);
        let taken: Vec<_> = sorted.taken.iter().filter_map(Message::message_id).collect();
        assert_eq!((taken, sorted.refused), (vec!["3", "new", "5"], 1));
        assert_eq!(sorted.trace.invocations(FUNCTION), 6, "as old as the oldest that was taken");
    }

    #[test]
    fn a_chain_that_has_invoked_others_only_is_not_refused() {
        let others = Guard { function: "arn:other".to_owned(), allows: false };
        assert_eq!(others.sort(vec![after(40)]).refused, 0);
    }
}
