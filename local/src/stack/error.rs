//! Why a stack doesn't start: one clear line each.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::build::BuildError;
use crate::data::DataError;
use crate::demo::DemoError;
use emulator::aws::OpenError;
use emulator::aws::provision::ProvisionError;
use emulator::runtime::InvokeError;
use emulator::samples::SamplesError;
use sam_template::TemplateError;
use store::StoreError;

/// Why a stack doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// There is no template here or above.
    #[error(
        "there is no template.yaml here or in a folder above: start Posthaste in its repository, \
            or name one with --template"
    )]
    NoTemplate,
    /// The template can't be read or is wrong.
    #[error("{}: {fault}", path.display())]
    Template {
        /// The template.
        path: PathBuf,
        /// What is wrong with it.
        fault: TemplateError,
    },
    /// The operator key can't be made known to the functions.
    #[error("can't write the operator key: {0}")]
    OperatorKey(#[from] StoreError),
    /// The data directory can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Something else listens there.
    #[error(
        "{address} is in use already: stop what listens there, or choose another address with \
            {flag}"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address} ({flag}): {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The system's reason.
        reason: String,
    },
    /// The functions aren't there.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A data file is broken.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Tables and queues can't be created.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// SQS doesn't give received messages back.
    #[error("can't release the messages that were being delivered: {0}")]
    Release(String),
    /// A function doesn't start.
    #[error("{function}: {reason}; its log is in {}", log.display())]
    Function {
        /// Its short name.
        function: String,
        /// Why.
        reason: InvokeError,
        /// Where to look.
        log: PathBuf,
    },
    /// An event source names a queue that isn't in the template.
    #[error("{function} polls {arn}, which is no queue of the template")]
    UnknownQueue {
        /// The function's short name.
        function: String,
        /// The queue.
        arn: String,
    },
    /// The demo project can't be made.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// What the sample events speak of can't be written.
    #[error("can't make the project of the sample events: {0}")]
    Samples(#[from] SamplesError),
    /// The ready file can't be written.
    #[error("can't write {}: {reason}", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Something of the system's fails that never should.
    #[error("{0}")]
    System(#[from] std::io::Error),
}
