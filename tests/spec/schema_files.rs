//! Schema files: what the migrations make, as text that is committed beside them and kept current.

use std::path::Path;
use std::process::Command;

use agentos_migrate::testing::{Harness, schema_files};
use agentos_migrate::{ErrorKind, Migrator, Target, Version};

use crate::support::command::{Said, run, said};
use crate::support::{Directory, registry, sql, three};

const CHAT: &str =
    "CREATE TABLE chat (\n    id INTEGER PRIMARY KEY,\n    title TEXT,\n    rules INTEGER\n);\n";

fn written(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("chat.sql")).expect("is there")
}

/// Starts one test of this program again, told to write.
fn blessed(test: &str, folder: &Path) -> Said {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]);
    command.env("AGENTOS_MIGRATE_BLESS", "1").env("SCHEMA_FILES_FOLDER", folder);
    said(command.output().expect("runs"))
}

#[test]
fn a_test_that_keeps_the_files_current() {
    // Alone it has nothing to do; `blessed` gives it a folder.
    let Some(folder) = std::env::var_os("SCHEMA_FILES_FOLDER") else { return };
    schema_files(&registry(three()), folder).expect("writes");
}

#[test]
fn files_that_are_missing_or_old_fail_with_the_difference_and_are_written_when_blessed() {
    let directory = Directory::new();
    let folder = directory.file("schema");
    let error = schema_files(&registry(three()), &folder).expect_err("nothing is there");
    assert_eq!(error.kind(), ErrorKind::ValidationFailed);
    assert!(error.hint().expect("a hint").contains("AGENTOS_MIGRATE_BLESS=1 cargo test"));
    assert!(!folder.exists(), "a comparison writes nothing");
    let test = "schema_files::a_test_that_keeps_the_files_current";
    let said = blessed(test, &folder);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(written(&folder), CHAT);
    schema_files(&registry(three()), &folder).expect("is current");
    let set = [three(), vec![sql("0004", "chat", "ALTER TABLE chat ADD COLUMN late TEXT", "")]];
    let error = schema_files(&registry(set.concat()), &folder).expect_err("is old");
    let details = error.details().join("\n");
    assert!(details.contains("--- chat.sql\n+++ what the migrations make\n"), "{details}");
    assert!(
        details.contains("-    rules INTEGER\n+    rules INTEGER,\n+    late TEXT"),
        "{details}"
    );
    assert!(!details.contains("rules.sql"), "a file that is current is not shown: {details}");
    std::fs::write(folder.join("gone.sql"), "CREATE TABLE gone (a);\n").expect("writes");
    let error = schema_files(&registry(three()), &folder).expect_err("a file of no database");
    assert!(error.details()[0].contains("gone.sql"), "{:?}", error.details());
    assert_eq!(blessed(test, &folder).code, 0);
    assert!(!folder.join("gone.sql").exists());
}

#[test]
fn a_schema_file_makes_the_schema_that_it_shows() {
    let harness = Harness::empty(migrations::registry()).expect("a directory");
    harness.migrator().upgrade(&Target::Latest).expect("upgrades");
    let compiled = harness.migrator().compiled_schema(&Target::Latest).expect("replays");
    assert_eq!(harness.migrator().schema().expect("reads"), compiled);
    let again = Directory::new();
    for (database, text) in &compiled {
        again.sql(database, text);
    }
    let migrator = Migrator::new(migrations::registry(), again.path());
    assert_eq!(migrator.schema().expect("reads"), compiled);
}

#[test]
fn the_schema_at_a_version_is_that_of_the_migrations_up_to_it() {
    let directory = Directory::new();
    let migrator = Migrator::new(registry(three()), directory.file("nowhere"));
    let at = |version: &str| {
        let version: Version = version.parse().expect("a version");
        migrator.compiled_schema(&Target::Version(version)).map(|schemas| schemas[0].1.clone())
    };
    assert_eq!(at("0003").expect("replays"), CHAT);
    assert!(!at("0002").expect("replays").contains("rules"));
    assert_eq!(at("0042").expect_err("unknown").kind(), ErrorKind::UnknownVersion);
}

#[test]
fn the_command_line_prints_writes_and_checks_them() {
    let directory = Directory::new();
    let (nowhere, folder) = (directory.file("nowhere"), directory.file("schema"));
    let name = folder.to_string_lossy();
    let check = run(&nowhere, &["schema", "--check", &name]);
    assert_eq!(check.code, 2, "{}", check.err);
    assert!(check.out.contains("not current  ") && check.out.contains("+CREATE TABLE messages ("));
    assert!(check.out.contains("hint: if the change is meant"), "{}", check.out);
    assert!(!folder.exists());
    assert_eq!(run(&nowhere, &["schema", "--write", &name]).out.lines().count(), 5);
    let check = run(&nowhere, &["schema", "--check", &name]);
    assert_eq!((check.code, check.out.as_str()), (0, "the schema files are current\n"));
    let older = run(&nowhere, &["schema", "--at", "0002", "--check", &name, "--json"]);
    assert_eq!(older.code, 2);
    let files = older.json()["not_current"].clone();
    assert_eq!(files.as_array().map(Vec::len), Some(2), "{files}");
    assert!(
        files[0]["diff"].as_str().is_some_and(|diff| diff.contains("-    last_intent_at TEXT"))
    );
    let printed = run(&nowhere, &["schema", "--at", "0001"]);
    assert!(printed.out.contains("-- conversations\nCREATE TABLE conversations ("));
    assert_eq!(run(&nowhere, &["schema"]).code, 1, "there is no data directory to show");
    assert_eq!(run(&nowhere, &["schema", "--at", "0042"]).code, 64);
}
