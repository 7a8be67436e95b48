//! The canonical form against a real JavaScript engine, where there is one.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::{
    arbitrary::any,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{
    NASTY,
    bodies::bodies,
    canonical,
    model::{models, written_badly},
};

/// Prints each line whose input doesn't come out as the output, through one parse and print.
const SCRIPT: &str = "
    const lines = require('fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean);
    for (const [input, output] of lines.map(JSON.parse)) {
        const printed = JSON.stringify(JSON.parse(input));
        if (printed !== output || JSON.stringify(JSON.parse(output)) !== output) {
            console.log(JSON.stringify({ input, output, printed }));
        }
    }
    console.log(`${lines.length} compared`);
";

#[test]
fn node_prints_the_same() {
    let Ok(mut node) = Command::new("node")
        .args(["-e", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        println!("skipped: no `node` on the PATH to compare with");
        return;
    };
    let mut inputs: Vec<String> = NASTY.iter().map(|(input, _)| (*input).to_owned()).collect();
    let mut runner = TestRunner::deterministic();
    let random = (models(), any::<u64>()).prop_map(|(model, seed)| written_badly(&model, seed));
    inputs.extend((0..1000).map(|_| random.new_tree(&mut runner).unwrap().current()));
    let users = any::<String>();
    let whole: Vec<_> = inputs
        .iter()
        .flat_map(|input| {
            bodies(&canonical(input), &users.new_tree(&mut runner).unwrap().current())
        })
        .collect();

    let mut stdin = node.stdin.take().unwrap();
    let values = inputs.iter().map(|input| [input.clone(), canonical(input)]);
    // Whole bodies must come out as they are.
    let lines: Vec<_> = values.chain(whole.into_iter().map(|body| [body.clone(), body])).collect();
    for line in &lines {
        writeln!(stdin, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
    drop(stdin);
    let output = node.wait_with_output().unwrap();

    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(report.trim(), format!("{} compared", lines.len()));
}
