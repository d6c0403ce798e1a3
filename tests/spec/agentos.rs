//! Agent OS: its real data directories, in every state that the Python tool left, come to the newest version.

use agentos_migrate::{BackupPolicy, ErrorKind, Migrator, State, Target};

use crate::support::{Directory, agentos};

fn migrator(directory: &Directory) -> Migrator {
    let migrator = Migrator::new(migrations::registry(), directory.path());
    let options = migrator.options().clone().backup(BackupPolicy::Skip);
    migrator.with_options(options)
}

/// Counts that a migration must not change.
fn rows(directory: &Directory) -> Vec<String> {
    let tables = [
        ("conversations", "conversations"),
        ("conversations", "messages"),
        ("intent_log", "intent_log"),
        ("context", "memories"),
        ("rules", "rules"),
        ("audit", "audit_log"),
    ];
    tables
        .iter()
        .map(|(database, table)| directory.ask(database, &format!("SELECT count(*) FROM {table}")))
        .collect()
}

/// Brings a state to the newest version and checks what came of it.
#[track_caller]
fn check(name: &str, steps: &[&str]) -> Directory {
    let directory = agentos::directory(name);
    let before = rows(&directory);
    let migrator = migrator(&directory);
    let report = migrator.upgrade(&Target::Latest).expect("upgrades");
    let ran: Vec<&str> = report.results.iter().map(|result| result.version.as_str()).collect();
    assert_eq!(ran, steps);
    assert_eq!(rows(&directory), before);
    let findings = migrator.verify().expect("verifies").findings;
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(directory.ask("intent_log", "PRAGMA journal_mode"), "wal");
    let unfilled = "SELECT count(*) FROM conversations c WHERE last_active_at IS NOT
        (SELECT max(timestamp) FROM messages m WHERE m.conversation_id = c.id)";
    assert_eq!(directory.ask("conversations", unfilled), "0");
    directory
}

#[test]
fn a_directory_that_was_never_migrated_comes_to_the_newest_version() {
    let directory = check("agentos-v0", &["0001", "0002", "0003"]);
    assert_eq!(
        directory.ask(
            "conversations",
            "SELECT group_concat(version || migration_version) FROM schema_version"
        ),
        "1.0.00001,1.1.00002,1.2.00003"
    );
    assert_eq!(
        directory.ask("index", "SELECT version FROM schema_version"),
        "1",
        "the application's own table is its own"
    );
    assert_ne!(directory.ask("conversations", "SELECT sum(intent_count) FROM conversations"), "0");
}

// Proves G9.
#[test]
fn a_directory_of_the_python_tool_goes_on_where_that_stopped() {
    check("agentos-v2", &["0003"]);
    check("agentos-states/applied-0001", &["0002", "0003"]);
    check("agentos-states/applied-0002", &["0003"]);
    check("agentos-states/shipped-cli", &["0001", "0002", "0003"]);
}

// Proves G9.
#[test]
fn what_the_python_tool_broke_is_mended_by_running_on() {
    let directory = check("agentos-states/downgraded-0001", &["0002", "0003"]);
    let counts = "SELECT count(*) FROM conversations c WHERE message_count <> (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)";
    assert_eq!(
        directory.ask("conversations", counts),
        "0",
        "the column that its downgrade dropped is filled"
    );
    check("agentos-states/partial-0001", &["0001", "0002", "0003"]);
}

#[test]
fn a_history_without_its_schema_is_named_and_mended_by_recover() {
    let directory = agentos::directory("agentos-states/restored-pre-migration");
    let migrator = migrator(&directory);
    let codes: Vec<_> = migrator
        .verify()
        .expect("verifies")
        .findings
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert!(codes.contains(&"unrecorded"), "{codes:?}");
    let before = directory.contents();
    let error = migrator.upgrade(&Target::Latest).expect_err("0003 has no ground");
    assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
    assert_eq!(directory.contents(), before);
    let recovery = migrator.recover().expect("recovers");
    assert_eq!(recovery.to_run_again, ["0001", "0002"]);
    assert_eq!(migrator.upgrade(&Target::Latest).expect("upgrades").results.len(), 3);
    assert!(migrator.verify().expect("verifies").findings.is_empty());
}

#[test]
fn doubled_version_rows_are_named_and_removed_by_recover() {
    let directory = agentos::directory("agentos-states/applied-0002");
    directory.sql("context", "INSERT INTO schema_version (version, migration_version, applied_at) VALUES ('1.0.0', '0001', 'again')");
    let migrator = migrator(&directory);
    assert_eq!(migrator.verify().expect("verifies").findings[0].code, "doubled");
    assert_eq!(migrator.recover().expect("recovers").deduplicated, ["context"]);
    assert!(migrator.verify().expect("verifies").findings.is_empty());
}

#[test]
fn a_column_left_empty_by_a_failed_attempt_is_filled() {
    let directory = agentos::directory("agentos-states/applied-0001");
    directory.sql("conversations", "ALTER TABLE conversations ADD COLUMN last_active_at TEXT");
    directory.sql("migrations", "INSERT INTO migration_history VALUES ('0002', 'x', 'then', 'b6d9a02a4d9668fd', 0, 1.0, 'no such table: schema_version')");
    let migrator = migrator(&directory);
    assert_eq!(migrator.status().expect("asks").pending[0].state, State::Failed);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    assert!(migrator.verify().expect("verifies").findings.is_empty());
    let unfilled =
        "SELECT count(*) FROM conversations WHERE last_active_at IS NULL AND message_count > 0";
    assert_eq!(directory.ask("conversations", unfilled), "0");
}

// Proves G9.
#[test]
fn crashed_files_are_recovered_with_every_committed_row() {
    let directory = agentos::directory("agentos-v0-crashed");
    migrator(&directory).upgrade(&Target::Latest).expect("upgrades");
    // From the fixture's list of what recovery gives.
    assert_eq!(rows(&directory), ["70", "431", "180", "110", "39", "161"]);
}

#[test]
fn an_application_table_of_the_engines_name_stops_the_run_unchanged() {
    let directory = agentos::directory("agentos-v0-collision");
    let before: Vec<String> = ["context", "audit"]
        .map(|name| directory.ask(name, "SELECT group_concat(version) FROM schema_version"))
        .to_vec();
    let error = migrator(&directory).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NameCollision);
    assert_eq!(error.details().len(), 6, "both databases are named: {:?}", error.details());
    let after: Vec<String> = ["context", "audit"]
        .map(|name| directory.ask(name, "SELECT group_concat(version) FROM schema_version"))
        .to_vec();
    assert_eq!(after, before);
    assert!(!directory.file("migrations.db").exists());
    let findings = migrator(&directory).verify().expect("verifies").findings;
    let collisions = findings.iter().filter(|finding| finding.code == "collision");
    let named: Vec<_> = collisions.filter_map(|finding| finding.database.as_deref()).collect();
    assert_eq!(named, ["context", "audit"], "{findings:?}");
}

#[test]
fn a_fresh_directory_is_what_the_application_itself_would_make_and_more() {
    let directory = Directory::new();
    let migrator = migrator(&directory);
    assert_eq!(migrator.upgrade(&Target::Latest).expect("upgrades").results.len(), 3);
    directory.sql("conversations", "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('a', 'b', 'c', 'd');
        INSERT INTO messages (id, conversation_id, role, content, timestamp) VALUES ('m', 'a', 'user', 'hello', 'now')");
    assert!(migrator.verify().expect("verifies").findings.is_empty());
}

#[test]
fn a_downgrade_keeps_the_applications_columns_and_every_row() {
    let directory = agentos::directory("agentos-v0");
    let columns = "SELECT group_concat(name) FROM pragma_table_info('conversations')";
    let (before, count) = (directory.ask("conversations", columns), rows(&directory));
    let migrator = migrator(&directory);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    migrator.downgrade(&"0001".parse().expect("a version")).expect("reverts");
    assert_eq!(directory.ask("conversations", columns), before);
    migrator.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    assert_eq!(rows(&directory), count);
    assert_eq!(
        directory.ask(
            "conversations",
            "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'"
        ),
        "0"
    );
}
