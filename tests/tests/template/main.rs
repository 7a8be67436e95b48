//! Holds `template.yaml` to the rules that no linter checks.
//!
//! Each rule is a function from a template to the faults it finds. The real template must have
//! none, and for every rule there is at least one broken copy of the template in [`broken`] that
//! the rule must catch: a rule that can't fail says nothing.
//!
//! - [`rules`]: the rules, a file per subject
//! - [`broken`]: what each rule is tried on
//! - [`parameters`]: the template's parameters against the types that read them
//! - [`served`]: each function's routes against those that it serves
//! - [`watch`]: the routes of `cargo lambda watch` in `Cargo.toml`

mod broken;
mod draft;
mod parameters;
mod rules;
mod served;
mod watch;

use std::collections::BTreeSet;

use draft::Draft;
use rules::RULES;

#[test]
fn the_template_keeps_every_rule() {
    let template = Draft::of_the_real_template().unwrap().read().unwrap();
    let faults: Vec<String> = RULES
        .iter()
        .flat_map(|rule| {
            (rule.check)(&template).into_iter().map(|fault| format!("{}: {fault}", rule.name))
        })
        .collect();
    assert!(faults.is_empty(), "template.yaml breaks its rules:\n{}", faults.join("\n"));
}

#[test]
fn every_rule_catches_the_templates_that_break_it() {
    for case in broken::CASES {
        let mut draft = Draft::of_the_real_template().unwrap();
        (case.apply)(&mut draft);
        let template = draft.read().unwrap_or_else(|error| panic!("{}: {error}", case.how));
        let rule = RULES
            .iter()
            .find(|rule| rule.name == case.rule)
            .unwrap_or_else(|| panic!("there is no rule {}", case.rule));
        assert!(!(rule.check)(&template).is_empty(), "{} doesn't notice {}", case.rule, case.how);
    }
}

#[test]
fn there_is_a_broken_template_for_every_rule() {
    let tried: BTreeSet<&str> = broken::CASES.iter().map(|case| case.rule).collect();
    let untried: Vec<&str> =
        RULES.iter().map(|rule| rule.name).filter(|name| !tried.contains(name)).collect();
    assert!(untried.is_empty(), "nothing shows that these rules can fail: {untried:?}");
}
