//! Builds the functions with cargo, or finds what was built before.
//!
//! Where cargo puts binaries depends on `CARGO_TARGET_DIR`, the configuration and the profile. So
//! cargo is asked (`--message-format`), and the profile is the one that this binary itself was
//! built with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Why there are no binaries to run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no cargo.
    #[error("cargo isn't there to build the functions ({0}): install Rust from https://rustup.rs")]
    NoToolchain(String),
    /// Cargo's own output has said why.
    #[error("the functions don't compile: see cargo's output above")]
    DoesNotCompile,
    /// Cargo's output can't be read.
    #[error("can't follow cargo: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A function's binary isn't where it should be.
    #[error("there is no binary of the function {name} at {}: build it first, or leave out \
        --no-build", path.display())]
    NotBuilt {
        /// The function.
        name: String,
        /// Where its binary should be.
        path: PathBuf,
    },
    /// Cargo has built, but no such binary.
    #[error("cargo has built no binary {0}, which the template names")]
    NotProduced(String),
}

/// Builds these binaries of the workspace at `directory`, with cargo's progress on stderr. Returns
/// their paths by name.
pub async fn build(
    directory: &Path,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    command.args(["build", "--workspace", "--message-format=json-render-diagnostics"]);
    command.args(profile_arguments());
    command.args(names.iter().flat_map(|name| ["--bin", name]));
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // `cargo run` tells its child about the package that it runs, which would be wrong for the
    // packages that are built now.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_this_package(name)) {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(|error| BuildError::NoToolchain(error.to_string()))?;
    let built = executables(&mut child).await?;
    if !child.wait().await?.success() {
        return Err(BuildError::DoesNotCompile);
    }
    let path = |name: &String| {
        built.get(name).cloned().ok_or_else(|| BuildError::NotProduced(name.clone()))
    };
    names.iter().map(|name| Ok((name.clone(), path(name)?))).collect()
}

/// The binaries next to the running one.
pub fn find_built(names: &BTreeSet<String>) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let directory = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
    let existing = |name: &String| {
        let path = directory.join(name);
        if path.is_file() {
            Ok((name.clone(), path))
        } else {
            Err(BuildError::NotBuilt { name: name.clone(), path })
        }
    };
    names.iter().map(existing).collect()
}

async fn executables(child: &mut Child) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut built = BTreeMap::new();
    let Some(output) = child.stdout.take() else { return Ok(built) };
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let artifact: Option<Artifact> = serde_json::from_str(&line).ok();
        if let Some(Artifact { target, executable: Some(executable) }) = artifact {
            built.insert(target.name, executable);
        }
    }
    Ok(built)
}

/// The part of cargo's `compiler-artifact` message that matters here.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn profile_arguments() -> Vec<String> {
    let executable = std::env::current_exe().unwrap_or_default();
    let directory = executable.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    match directory {
        // Integration tests and examples run from folders inside the profile's.
        Some("debug" | "deps" | "examples") => Vec::new(),
        Some("release") => vec!["--release".to_owned()],
        Some(profile)
            if executable.ancestors().any(|folder| folder.join(".rustc_info.json").is_file()) =>
        {
            vec!["--profile".to_owned(), profile.to_owned()]
        }
        // Installed somewhere.
        _ if cfg!(debug_assertions) => Vec::new(),
        _ => vec!["--release".to_owned()],
    }
}

fn is_about_this_package(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
