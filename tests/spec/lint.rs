//! The lint runs every migration on made-up rows and says what it did to them.
//!
//! Its rules are the chapters `lint_losses` and `lint_rules`; this one is about everything else.

use agentos_migrate::testing::{LintRule, lint};
use agentos_migrate::{ErrorKind, Migration};

use crate::support::lint::{FAMILY, NOTE, codes, findings_of, one_way, only, tables};
use crate::support::{Directory, command, registry, sql};

#[test]
fn am901_an_allow_is_used_with_its_reason_and_an_unused_one_is_told() {
    let dropped = one_way("DROP TABLE note").allow(&["AM101: nobody read it"]);
    let report = findings_of(NOTE, dropped);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.allowed[0].reason, "nobody read it");
    only("AM901", NOTE, one_way("SELECT 1").allow(&["AM101: nobody read it"]));
}

#[test]
fn a_set_whose_allow_means_nothing_is_refused() {
    for (allow, told) in
        [("AM999: why", "no lint rule"), ("AM101", "no reason"), ("AM101: ", "no reason")]
    {
        let set = registry(vec![tables(NOTE).allow(Box::leak(Box::new([allow])))]);
        let error = lint(&set).expect_err(allow);
        assert_eq!(error.kind(), ErrorKind::InvalidSet);
        assert!(error.details()[0].contains(told), "{error:?}");
    }
}

#[test]
fn a_finding_stands_at_its_statement_in_the_source() {
    let line = line!() + 2;
    let migration = Migration::new("0002", &["chat"], |ctx| {
        ctx.execute("chat", "DROP TABLE note", [])?;
        Ok(())
    });
    let finding = only("AM101", NOTE, migration.irreversible("it is a test"));
    assert_eq!((finding.file.as_str(), finding.line), (file!(), line));
}

#[test]
fn agent_os_own_set_has_no_finding() {
    let report = lint(&migrations::registry()).expect("runs");
    report.check().expect("clean");
    assert_eq!(report.examined, 3);
    assert!(report.allowed.is_empty(), "{:#?}", report.allowed);
    assert_eq!(report.proofs.len(), 3);
}

#[test]
fn every_rule_is_tested_and_explained_with_an_example() {
    let chapters =
        [include_str!("lint.rs"), include_str!("lint_losses.rs"), include_str!("lint_rules.rs")]
            .concat();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lint.md"));
    let page = page.expect("reads");
    for rule in LintRule::all() {
        assert!(chapters.contains(&format!("\"{}\"", rule.code)), "{} has no test", rule.code);
        let section = page.split(&format!("\n### {} {}\n", rule.code, rule.title)).nth(1);
        let section =
            section.unwrap_or_else(|| panic!("docs/lint.md has no {} {}", rule.code, rule.title));
        let section = section.split("\n### ").next().expect("a section");
        assert!(section.contains("```"), "{} has no example", rule.code);
        assert!(section.contains("Fix: "), "{} has no fix", rule.code);
    }
    let codes = page.matches("\n### AM").count();
    assert_eq!(codes, LintRule::all().len(), "docs/lint.md explains a code that is not there");
}

#[test]
fn the_macro_crate_knows_the_same_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../agentos-migrate-macros/src/lint_codes.rs");
    let text = std::fs::read_to_string(path).expect("reads");
    let list = text.split("CODES: &[&str] = &[").nth(1).and_then(|text| text.split("];").next());
    let known: Vec<&str> = list.expect("a list").split('"').skip(1).step_by(2).collect();
    let codes: Vec<&str> = LintRule::all().iter().map(|rule| rule.code).collect();
    assert_eq!(known, codes);
}

#[test]
fn the_command_answers_as_text_as_annotations_and_as_json_and_touches_nothing() {
    let directory = Directory::new();
    let said = command::run(directory.path(), &["lint"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.ends_with("nothing found in 3 migration(s)\n"), "{}", said.out);
    let json = command::run(directory.path(), &["lint", "--format", "json"]).json();
    assert_eq!(json["examined"], 3);
    assert_eq!(json["allowed"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        command::run(directory.path(), &["lint", "--json", "--since", "0002"]).json()["examined"],
        1
    );
    assert_eq!(
        command::run(directory.path(), &["lint", "--unreleased", "--json"]).json()["examined"],
        0
    );
    assert_eq!(command::run(directory.path(), &["lint", "0002", "--json"]).json()["examined"], 1);
    assert_eq!(command::run(directory.path(), &["lint", "0042"]).code, 64);
    assert!(directory.contents().is_empty());
}

#[test]
fn a_loss_in_one_of_several_databases_is_told_of_that_one() {
    let set = registry(vec![
        sql("0001", "chat", "CREATE TABLE t (a TEXT)", "").irreversible("ground"),
        sql("0002", "rules", "CREATE TABLE t (a TEXT)", "").irreversible("ground"),
        Migration::new("0003", &["chat", "rules"], |ctx| {
            ctx.execute("rules", "DROP TABLE t", [])?;
            Ok(())
        })
        .irreversible("it is a test"),
    ]);
    let report = lint(&set).expect("runs");
    assert_eq!(codes(&report), ["AM101"]);
    assert_eq!(report.findings[0].database.as_deref(), Some("rules"));
}

#[test]
fn what_runs_on_the_connection_itself_is_judged_by_its_effect() {
    let migration = Migration::new("0002", &["chat"], |ctx| {
        ctx.connection("chat")?.execute_batch("DROP TABLE note")?;
        Ok(())
    });
    let finding = only("AM101", NOTE, migration.irreversible("it is a test"));
    assert_eq!(finding.statement, None);
}

#[test]
fn a_table_that_takes_no_row_is_told_and_the_rest_is_examined() {
    let report = findings_of(
        "CREATE TABLE never (a CHECK (0)); CREATE TABLE note (a)",
        one_way("DROP TABLE never; DROP TABLE note"),
    );
    assert_eq!(report.notes, ["no rows for chat.never: CHECK constraint failed: 0"]);
    assert_eq!(codes(&report), ["AM101"]);
    assert!(report.findings[0].message.contains("`note`"), "{:?}", report.findings);
}

#[test]
fn the_same_set_gives_the_same_report() {
    let report = || {
        let report =
            findings_of(FAMILY, one_way("UPDATE parent SET name = 'x'; DELETE FROM child"));
        serde_json::to_string(&report).expect("a document")
    };
    assert_eq!(report(), report());
}
