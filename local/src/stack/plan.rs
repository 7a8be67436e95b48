//! What a stack is to be, as far as it is known before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

use super::error::StackError;
use super::foreign::foreign_account;
use crate::build;
use crate::cli::RunArgs;
use crate::data::DataDirectory;
use emulator::aws::{Clients, provision::provision};
use emulator::runtime::environment;
use sam_template::{Settings, Template};

/// Data directory beside the template, where none is named.
const DATA: &str = ".posthaste";

/// File in the data directory with the functions' environment, for `cargo lambda watch --env-file`.
const ENVIRONMENT_FILE: &str = "functions.env";

/// Where `--aws-only` listens by default: the port that other AWS emulators use too.
const AWS_ONLY_PORT: u16 = 4566;

/// The parts of a stack that the command line decides.
pub struct Plan {
    /// The flags.
    pub args: RunArgs,
    /// The template's path.
    pub template: PathBuf,
    /// What the template is resolved against; queue URLs come later.
    pub settings: Settings,
    /// The data directory, held by this process.
    pub data: DataDirectory,
    /// The operator key in clear text.
    pub operator_key: String,
    /// The names of the functions' binaries.
    functions: BTreeSet<String>,
}

/// The listeners; `None` where the stack has no such server.
pub(super) struct Ports {
    pub(super) api: Option<TcpListener>,
    pub(super) aws: Option<TcpListener>,
}

/// The data directory for a template where none is named.
pub fn default_data(template: &Path) -> PathBuf {
    template.with_file_name(DATA)
}

impl Plan {
    /// Checks flags, template and data directory.
    pub(super) fn make(args: RunArgs) -> Result<Self, StackError> {
        let template = match &args.template {
            Some(path) => path.clone(),
            None => Template::find(&std::env::current_dir()?).ok_or(StackError::NoTemplate)?,
        };
        let broken = |fault| StackError::Template { path: template.clone(), fault };
        // Read once before the data directory is touched: a broken template must leave nothing
        // behind.
        let mut settings = Settings {
            parameters: args.parameters.iter().cloned().collect(),
            ..Settings::default()
        };
        if args.aws_endpoint.is_some() {
            settings.account = foreign_account();
        }
        let functions = Template::read(&template, &settings).map_err(broken)?.functions;

        let data =
            DataDirectory::open(&args.data.clone().unwrap_or_else(|| default_data(&template)))?;
        let operator_key = match &args.operator_key {
            Some(key) => key.clone(),
            None => data.operator_key()?,
        };
        settings.secret = data.secrets_key()?;
        let functions = functions.into_iter().map(|function| function.name).collect();
        Ok(Self { args, template, settings, data, operator_key, functions })
    }

    /// Takes the ports.
    pub(super) async fn bind(&self) -> Result<Ports, StackError> {
        let aws_default =
            SocketAddr::from(([127, 0, 0, 1], if self.args.aws_only { AWS_ONLY_PORT } else { 0 }));
        let api = if self.args.aws_only {
            None
        } else {
            Some(listen(self.args.listen, "--listen").await?)
        };
        let aws = match self.args.aws_endpoint {
            Some(_) => None,
            None => {
                Some(listen(self.args.aws_listen.unwrap_or(aws_default), "--aws-listen").await?)
            }
        };
        Ok(Ports { api, aws })
    }

    /// Builds the functions, or finds what was built before.
    pub(super) async fn binaries(&self) -> Result<BTreeMap<String, PathBuf>, StackError> {
        if self.args.no_build {
            return Ok(build::find_built(&self.functions)?);
        }
        let directory = self.template.canonicalize()?;
        let directory = directory.parent().unwrap_or(Path::new("."));
        Ok(build::build(directory, &self.functions).await?)
    }

    /// Creates tables and queues, and resolves the template with the queues' real URLs.
    pub(super) async fn deploy(
        &self,
        aws_url: &str,
        clients: &Clients,
    ) -> Result<Template, StackError> {
        let mut settings = Settings { sqs_url: aws_url.to_owned(), ..self.settings.clone() };
        settings.queue_urls = provision(&self.read(&settings)?, clients).await?;
        self.read(&settings)
    }

    fn read(&self, settings: &Settings) -> Result<Template, StackError> {
        Template::read(&self.template, settings)
            .map_err(|fault| StackError::Template { path: self.template.clone(), fault })
    }

    /// With `--aws-only`: the environment that the functions would get, for another tool that runs
    /// them.
    pub(super) fn write_environment_file(
        &self,
        template: &Template,
        aws_url: &str,
    ) -> Result<(), StackError> {
        let mut variables: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in template.functions.iter().flat_map(|function| &function.environment) {
            variables.insert(name, value.clone());
        }
        let (policy, local) = environment::TARGET_POLICY;
        if !self.args.strict_targets && variables.contains_key(policy) {
            variables.insert(policy, local.to_owned());
        }
        let aws_variables = [
            ("AWS_ENDPOINT_URL", aws_url),
            ("AWS_REGION", &self.settings.region),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        variables.extend(aws_variables.map(|(name, value)| (name, value.to_owned())));
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"\n", value.replace('"', "\\\"")));
        self.data.keep(ENVIRONMENT_FILE, &lines.collect::<String>())?;
        Ok(())
    }

    /// With `--aws-only`: the file with the functions' environment, for `cargo lambda watch
    /// --env-file`.
    pub fn environment_file(&self) -> PathBuf {
        self.data.path().join(ENVIRONMENT_FILE)
    }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StackError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => StackError::AddressInUse { address, flag },
        _ => StackError::Address { address, flag, reason: error.to_string() },
    })
}
