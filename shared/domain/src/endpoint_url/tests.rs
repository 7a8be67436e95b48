//! The target policy, by tables and properties. The client has tests of its own, over sockets:
//! `shared/egress/tests/client.rs`.

mod addresses;
mod hostile;
mod names;
