//! Whatever is wrong on the user's side gets one clear line.

use std::net::TcpListener;
use std::path::Path;

use super::posthaste::{Running, command, failure};

const TEMPLATE: &str = r"
Resources:
  Fake:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: fake } }
    Properties:
      Events: { All: { Type: HttpApi } }
";

fn with_template(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("template.yaml"), text).unwrap();
    directory
}

/// Runs it, and returns its one line.
fn line(directory: &Path, arguments: &[&str]) -> String {
    one_line(failure(&mut command(directory, arguments)))
}

fn one_line((code, stderr): (i32, String)) -> String {
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("posthaste: "), "{stderr}");
    stderr
}

#[test]
fn no_template() {
    let directory = tempfile::tempdir().unwrap();
    assert!(
        line(directory.path(), &[]).contains("there is no template.yaml here or in a folder above")
    );
    assert!(
        line(directory.path(), &["--template", "other.yaml"]).contains("other.yaml: No such file")
    );
}

#[test]
fn a_broken_template_is_told_with_its_line_and_leaves_nothing_behind() {
    let broken_yaml = with_template("Resources:\n  A: [1, 2\n");
    assert!(line(broken_yaml.path(), &[]).contains("template.yaml: line 3: "));

    let broken_reference = with_template(
        "Resources:\n  A:\n    Type: AWS::SQS::Queue\n    Properties: { DelaySeconds: !Ref Nope \
            }\n",
    );
    assert!(
        line(broken_reference.path(), &[]).contains(
            "template.yaml: line 2: A: !Ref Nope: there is no such parameter or resource"
        )
    );
    assert!(!broken_reference.path().join(".posthaste").exists());
}

#[test]
fn a_port_in_use_is_told_with_the_flag_that_changes_it() {
    let directory = with_template(TEMPLATE);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = line(directory.path(), &["--no-build", "--listen", &address]);
    assert!(
        told.contains(&format!("{address} is in use already")) && told.contains("--listen"),
        "{told}"
    );
    let told = line(directory.path(), &["--aws-only", "--aws-listen", &address]);
    assert!(
        told.contains(&format!("{address} is in use already")) && told.contains("--aws-listen"),
        "{told}"
    );
    let told = line(directory.path(), &["listen", "--addr", &address]);
    assert!(
        told.contains(&format!("{address} is in use already")) && told.contains("--addr"),
        "{told}"
    );
}

#[test]
fn a_missing_toolchain() {
    let directory = with_template(TEMPLATE);
    let mut command = command(directory.path(), &["--listen", "127.0.0.1:0"]);
    let told = one_line(failure(command.env_remove("CARGO").env("PATH", "/nonexistent")));
    assert!(told.contains("cargo isn't there") && told.contains("https://rustup.rs"), "{told}");
}

#[test]
fn functions_that_do_not_compile_show_cargos_output_and_then_one_line() {
    let directory = with_template(TEMPLATE);
    let package = "[package]\nname = \"fake\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(directory.path().join("Cargo.toml"), package).unwrap();
    std::fs::create_dir(directory.path().join("src")).unwrap();
    std::fs::write(directory.path().join("src/main.rs"), "fn main() { nonsense }").unwrap();
    let mut command = command(directory.path(), &["--listen", "127.0.0.1:0"]);
    let (code, told) = failure(command.env("CARGO_TARGET_DIR", directory.path().join("target")));
    assert_eq!(code, 1);
    assert!(told.contains("cannot find value `nonsense`"), "{told}");
    assert!(
        told.trim_end()
            .ends_with("posthaste: the functions don't compile: see cargo's output above"),
        "{told}"
    );
}

#[test]
fn functions_that_were_never_built() {
    let directory = with_template(&TEMPLATE.replace("Binary: fake", "Binary: never-built"));
    let told = line(directory.path(), &["--no-build", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("there is no binary of the function never-built at "), "{told}");
}

#[test]
fn a_data_folder_that_another_stack_uses() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::aws_only(directory.path());
    let told = line(directory.path(), &["--aws-only", "--aws-listen", "127.0.0.1:0"]);
    let pid = running.ready["pid"].to_string();
    assert!(told.contains(&format!("in use by another stack (process {pid})")), "{told}");
}

#[test]
fn a_data_folder_that_cannot_be_written() {
    let directory = with_template(TEMPLATE);
    std::fs::write(directory.path().join("file"), "").unwrap();
    let told = line(directory.path(), &["--data", "file/data"]);
    assert!(told.contains("can't use file/data"), "{told}");
}

#[test]
fn a_usage_error_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let (code, told) = failure(&mut command(directory.path(), &["--no-such-flag"]));
    assert_eq!(code, 2);
    assert!(told.contains("--no-such-flag"), "{told}");
}

#[test]
fn calls_of_a_stack_that_does_not_run() {
    let directory = with_template(TEMPLATE);
    assert!(line(directory.path(), &["calls"]).contains("no stack runs there"));
}
