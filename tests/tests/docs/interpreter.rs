//! Runs the page's blocks in a language that may not be installed.
//!
//! Everything is written to a temporary folder, and read from nowhere else.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{blocks::Blocks, cases::Case, styles::STYLES};

/// A language, and how to run a block in it.
pub(crate) struct Interpreter {
    pub(crate) language: &'static str,
    pub(crate) program: &'static str,
    /// The file that the block is written to, which the driver imports.
    pub(crate) block_file: &'static str,
    pub(crate) driver_file: &'static str,
    pub(crate) driver: &'static str,
}

impl Interpreter {
    /// Every style's block, on every case of the style.
    pub(crate) fn check(&self, blocks: &Blocks) {
        if !self.is_installed() {
            // Not `println!`, of which the test runner shows nothing when a test succeeds.
            let _ = writeln!(
                io::stderr(),
                "skipped: the {} blocks of docs/verify.md, as {} is not installed",
                self.language,
                self.program
            );
            return;
        }
        for style in &STYLES {
            let cases = style.cases();
            let answers = self.run(&style.adapt(blocks.get(style.block, self.language)), &cases);
            assert_eq!(answers.len(), cases.len());
            for (case, answer) in cases.iter().zip(answers) {
                assert_eq!(
                    answer,
                    Value::from(case.genuine),
                    "{} in {}: {}",
                    style.name,
                    self.language,
                    case.what
                );
            }
        }
    }

    fn is_installed(&self) -> bool {
        let version = Command::new(self.program).arg("--version").stdin(Stdio::null()).output();
        match version {
            Ok(output) => output.status.success(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => panic!("{} can't be started: {error}", self.program),
        }
    }

    /// What the block says of each case.
    fn run(&self, block: &str, cases: &[Case]) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path(), block);
        let mut child = Command::new(self.program)
            .arg(self.driver_file)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&serde_json::to_vec(cases).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{} failed on this block:\n{block}", self.program);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn write(&self, folder: &Path, block: &str) {
        fs::write(folder.join(self.block_file), block).unwrap();
        fs::write(folder.join(self.driver_file), self.driver).unwrap();
    }
}
