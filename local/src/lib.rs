//! The command `posthaste`: Posthaste on one machine, for development and small single-machine use.
//!
//! [`cli`] is what a user can ask for. [`stack`] starts and stops the emulators (crate `emulator`)
//! as `template.yaml` says (crate `sam_template`), with [`data`], [`build`], [`demo`], [`ready`]
//! and [`banner`]. [`listen`] is the receiver, [`calls`] prints what a delivery costs in calls.

pub mod banner;
pub mod build;
pub mod calls;
pub mod cli;
pub mod data;
pub mod demo;
mod http_client;
pub mod listen;
pub mod ready;
pub mod secrets_key;
pub mod shutdown;
pub mod stack;
