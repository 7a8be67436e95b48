//! The command line.
//!
//! The default data directory lies beside the template, not in the current directory, so that the
//! stack uses the same data from whichever subfolder it is started.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::listen::ListenArgs;
use domain::model::ApiKey;

/// Posthaste on one machine: the real functions on stand-ins for API Gateway, Lambda, SQS and
/// DynamoDB.
#[derive(Debug, Parser)]
#[command(name = "posthaste", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without it, run the stack.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run the stack.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The commands beside running the stack.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive webhooks: verify and print each request, and fail on demand
    Listen(ListenArgs),
    /// Print the AWS calls that a running stack has made, per delivery
    Calls(CallsArgs),
}

/// Flags of the stack.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct RunArgs {
    /// Address of the HTTP API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of the stand-ins for DynamoDB and SQS [default: any free port; with --aws-only
    /// 127.0.0.1:4566]
    #[arg(long, value_name = "ADDR", conflicts_with = "aws_endpoint")]
    pub aws_listen: Option<SocketAddr>,
    /// Folder that holds everything that survives a restart [default: .posthaste beside the
    /// template]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The operator key [default: made once and kept in the data folder]
    #[arg(long, value_name = "KEY", env = "POSTHASTE_OPERATOR_KEY", hide_env_values = true,
        value_parser = operator_key)]
    pub operator_key: Option<String>,
    /// File to write once the stack serves, with its URLs and keys (JSON)
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// Refuse targets as deployed: no loopback, no plain http
    #[arg(long)]
    pub strict_targets: bool,
    /// Other emulators in place of the embedded DynamoDB and SQS; an `AWS_ACCESS_KEY_ID` of twelve
    /// digits is the account there
    #[arg(long, value_name = "URL", conflicts_with = "aws_only", value_parser = endpoint)]
    pub aws_endpoint: Option<String>,
    /// Functions and pollers call the embedded ones through this proxy, whose path then names them
    /// (for tests)
    #[arg(long, value_name = "URL", hide = true, conflicts_with = "aws_endpoint",
        value_parser = endpoint)]
    pub aws_proxy: Option<String>,
    /// Of a hundred calls of functions to the embedded ones so many go wrong (for tests)
    #[arg(long, value_name = "PERCENT", hide = true, default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=50), conflicts_with = "aws_endpoint")]
    pub trouble: u32,
    /// Only DynamoDB and SQS, without functions, for `cargo lambda watch`
    #[arg(long)]
    pub aws_only: bool,
    /// The template [default: the nearest template.yaml from here upwards]
    #[arg(long, value_name = "PATH")]
    pub template: Option<PathBuf>,
    /// A parameter of the template (repeatable)
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// Run the functions as they were built before
    #[arg(long)]
    pub no_build: bool,
    /// Print the functions' logs instead of writing them to files
    #[arg(long, short)]
    pub verbose: bool,
}

/// Flags of `posthaste calls`.
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// The stack's data folder [default: .posthaste beside the template]
    #[arg(long, value_name = "DIR", conflicts_with = "ready_file")]
    pub data: Option<PathBuf>,
    /// The stack's ready file
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Start again from zero afterwards
    #[arg(long)]
    pub reset: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn operator_key(text: &str) -> Result<String, String> {
    if text.trim() != text || text.is_empty() {
        return Err("a key has no spaces around it and isn't empty".to_owned());
    }
    if ApiKey::presented(text).is_project_key() {
        return Err(format!("a key that starts with {} is a project's", ApiKey::PREFIX));
    }
    Ok(text.to_owned())
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must start with http:// or https://".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_without_a_command_run_the_stack() {
        let cli = Cli::parse_from([
            "posthaste",
            "--listen",
            "127.0.0.1:0",
            "--parameter",
            "A=b=c",
            "--strict-targets",
        ]);
        assert!(cli.command.is_none() && cli.run.strict_targets);
        assert_eq!(cli.run.parameters, [("A".to_owned(), "b=c".to_owned())]);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for arguments in [
            &["--parameter", "A"][..],
            &["--aws-endpoint", "localhost:1"],
            &["--aws-endpoint", "http://localhost:1", "--aws-only"],
            &["--listen", "nowhere"],
            &["--operator-key", ""],
            &["--operator-key", "phk_mine"],
        ] {
            let arguments = std::iter::once("posthaste").chain(arguments.iter().copied());
            assert_eq!(Cli::try_parse_from(arguments).unwrap_err().exit_code(), 2);
        }
    }
}
