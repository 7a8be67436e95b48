//! The whole stack: what `cargo run` starts and stops, in which order.
//!
//! Starting: everything that can be wrong with the user's side (template, data folder, ports) is
//! found before the long part (building). Then AWS, tables and queues, the functions, the API, the
//! pollers, the demo project; the ready file comes last. Stopping is the other way round: nothing
//! new comes in, what runs finishes, then the processes end, and AWS is there until the end.
//!
//! Messages that a killed stack had received must be handled at once, so the stack releases them at
//! its start. No consumer can be left: they ended with the stack, and the lock on the data folder
//! proves that it has ended.

mod aws_side;
mod error;
mod foreign;
mod functions;
mod plan;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::RunArgs;
use crate::demo::{self, Demo};
use crate::ready::Ready;
use emulator::aws::iam::Policies;
use emulator::operator_key;
use emulator::samples;
use sam_template::Template;

pub use error::StackError;
pub use plan::{Plan, default_data};

use aws_side::AwsSide;
use functions::Functions;

/// How long running requests and batches may take after the stack is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A running stack.
pub struct Stack {
    plan: Plan,
    aws: AwsSide,
    functions: Option<Functions>,
    demo: Option<Demo>,
    ready_files: Vec<PathBuf>,
}

impl Stack {
    /// Starts everything, and returns once it serves.
    pub async fn start(args: RunArgs) -> Result<Self, StackError> {
        let plan = Plan::make(args)?;
        let ports = plan.bind().await?;
        let binaries = if plan.args.aws_only { None } else { Some(plan.binaries().await?) };

        let aws = AwsSide::start(&plan, ports.aws)?;
        let template = plan.deploy(aws.url(), aws.stack_clients()).await?;
        aws.enforce(Policies::of(&template.functions, &plan.settings));
        aws.release_received().await?;

        if let Some(table) = template.table(samples::CONFIG_TABLE) {
            let dynamodb = &aws.stack_clients().dynamodb;
            operator_key::plant(dynamodb, &table.name, &plan.operator_key).await?;
        }

        let functions = if let (Some(binaries), Some(listener)) = (binaries, ports.api) {
            Some(Functions::start(&plan, &template, &aws, &binaries, listener).await?)
        } else {
            plan.write_environment_file(&template, aws.url())?;
            plant_samples(&template, &plan.settings.secret, &aws).await?;
            None
        };
        let mut stack = Self { plan, aws, functions, demo: None, ready_files: Vec::new() };
        if let Some(functions) = &stack.functions {
            stack.demo = Some(
                demo::ensure(&functions.url(), &stack.plan.operator_key, &stack.plan.data).await?,
            );
        }
        stack.aws.trouble(stack.plan.args.trouble, &template);
        stack.announce()?;
        Ok(stack)
    }

    /// How to reach it.
    pub fn ready(&self) -> Ready {
        Ready {
            base_url: self.functions.as_ref().map(Functions::url),
            operator_key: self.plan.operator_key.clone(),
            project_id: self.demo.as_ref().map(|demo| demo.project_id.clone()),
            project_key: self.demo.as_ref().map(|demo| demo.project_key.clone()),
            dynamodb_url: self.aws.url().to_owned(),
            sqs_url: self.aws.url().to_owned(),
            pid: std::process::id(),
        }
    }

    /// What it was started with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Drains for a few seconds and ends everything.
    pub async fn shut_down(mut self) {
        for file in self.ready_files.drain(..) {
            // Someone may have removed it already.
            let _ = std::fs::remove_file(file);
        }
        if let Some(functions) = self.functions.take() {
            functions.shut_down(GRACE).await;
        }
    }

    /// What ends every function process at once, busy or not, while the stack is shutting down.
    pub fn killer(&self) -> impl Fn() + use<> {
        let pools = self.functions.as_ref().map(Functions::pools).unwrap_or_default();
        move || pools.iter().for_each(|pool| pool.kill())
    }

    fn announce(&mut self) -> Result<(), StackError> {
        let ready = self.ready();
        let own = self.plan.data.ready_file();
        for path in std::iter::once(own).chain(self.plan.args.ready_file.clone()) {
            ready.write(&path).map_err(|error| StackError::ReadyFile {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            self.ready_files.push(path);
        }
        Ok(())
    }
}

/// With `--aws-only`: the rows that the sample events refer to, for those who invoke the functions
/// with them.
async fn plant_samples(
    template: &Template,
    secrets_key: &str,
    aws: &AwsSide,
) -> Result<(), StackError> {
    let Some(table) = template.table(samples::CONFIG_TABLE) else { return Ok(()) };
    let endpoint = samples::endpoint_of(samples::id()?, samples::RECEIVER, secrets_key)?;
    Ok(samples::plant(&aws.stack_config(), &table.name, secrets_key, &[endpoint]).await?)
}
