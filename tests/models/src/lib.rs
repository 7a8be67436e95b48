//! Models of the rules by which no delivery is lost, and a search through all of their states.
//!
//! A model is small: one event, one or two receivers, a few processes. But the search leaves
//! nothing out: each order of the processes' steps, a crash between any two of them, messages that
//! come twice, an index that lags. [`explore`] finds a state that breaks a promise, or from which
//! the delivery can't end any more, and shows the steps that led there.
//!
//! [`delivery`] is the life of one delivery, [`accept`] what happens before the 202. Each part of
//! the rules can be taken out; the tests do so, and the search then finds what it was for.
//!
//! # Pitfalls
//!
//! The code follows a part of [`delivery`]'s rules: rows, lists, claims, `jobs`. Its turns come
//! from the log of attempts still, and an ended delivery has no row.

pub mod accept;
pub mod delivery;
mod search;

pub use search::{Model, Report, Violation, explore};
