//! The binaries under test: built once, beside the tests and with their profile.
//!
//! Cargo unifies them over what is built together, so it is asked for the whole workspace, as
//! `cargo test --workspace` is, or it would build everything twice.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The folder with `template.yaml`.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of the workspace")
}

/// Runs `posthaste` with arguments that it should refuse; returns its exit code, and its standard
/// error.
pub fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(posthaste());
    command.current_dir(workspace()).env_remove("POSTHASTE_OPERATOR_KEY").args(arguments);
    let Output { status, stderr, .. } = command.output().expect("posthaste runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// The path of `posthaste`; the functions' binaries are in the same folder.
pub(crate) fn posthaste() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let place = Place::of_this_test();
    eprintln!("building posthaste and its functions (profile {}) …", place.profile);
    let mut cargo =
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo
        .args(["build", "--workspace", "--bins", "--target-dir"])
        .arg(&place.target)
        .current_dir(workspace());
    if place.profile != "debug" {
        cargo.args(["--profile", &place.profile]);
    }
    if let Some(triple) = &place.triple {
        cargo.args(["--target", triple]);
    }
    // What cargo tells a test about its own package would be wrong for the packages that are built
    // now.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_this_package(name)) {
        cargo.env_remove(name);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binaries under test don't compile: see cargo's output above");
    place.binaries.join("posthaste")
}

fn is_about_this_package(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Where cargo has put this program: `<target>[/<triple>]/<profile>/deps/<test>`, or
/// `<target>[/<triple>]/<profile>/soak`.
struct Place {
    target: PathBuf,
    triple: Option<String>,
    profile: String,
    binaries: PathBuf,
}

impl Place {
    fn of_this_test() -> Self {
        let test = std::env::current_exe().expect("a process knows its own path");
        let folder = test.parent().expect("a program is in a folder");
        let binaries = if folder.ends_with("deps") {
            folder.parent().expect("deps is in a profile's folder")
        } else {
            folder
        };
        let above = binaries.parent().expect("a profile's folder is in the target folder");
        // Cargo keeps what it knows of rustc here. (Its CACHEDIR.TAG is missing where something
        // else made the folder first.)
        let is_target = above.join(".rustc_info.json").is_file();
        let target = if is_target {
            above
        } else {
            above.parent().expect("a triple's folder is in the target folder")
        };
        Self {
            target: target.to_owned(),
            triple: (!is_target).then(|| name(above)),
            profile: name(binaries),
            binaries: binaries.to_owned(),
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
