//! Drift: `verify` names what is not as the migrations made it, is silent about what is the
//! application's own or was accepted, and speaks again when that changes.

use agentos_migrate::{ErrorKind, EventKind, Migrator, Registry, Target, Version};

use crate::support::command::run;
use crate::support::{Directory, agentos, finds, migrator, registry, sql, three, upgraded};

const APPLICATION: &str =
    "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); CREATE INDEX by_body ON note(body);";

/// A set whose first migration needs a table that the application makes.
fn adopting() -> Registry {
    registry(vec![sql(
        "0001",
        "chat",
        "ALTER TABLE note ADD COLUMN pinned INTEGER",
        "ALTER TABLE note DROP COLUMN pinned",
    )])
}

// Proves G7.
#[test]
fn added_missing_and_changed_objects_are_named_with_their_difference() {
    let (directory, migrator) = upgraded();
    finds(&migrator, &[]);
    directory.sql(
        "chat",
        "CREATE INDEX mine ON chat(title); ALTER TABLE chat ADD COLUMN extra; CREATE VIEW v AS SELECT 1",
    );
    directory.sql("rules", "DROP TABLE rule");
    finds(
        &migrator,
        &[
            "drift: chat: table `chat` is changed",
            "drift: chat: index `mine` is added",
            "drift: chat: view `v` is added",
            "drift: rules: table `rule` is missing",
        ],
    );
    let findings = migrator.verify().expect("verifies").findings;
    let diff = findings[0].diff.as_deref().expect("a difference");
    assert!(diff.contains("-    rules INTEGER\n+    rules INTEGER,\n+    extra\n"), "{diff}");
    assert!(findings[0].hint.contains("accept --drift"), "{}", findings[0].hint);
}

#[test]
fn spelling_is_no_drift_and_the_order_of_columns_is_a_note() {
    let (directory, migrator) = upgraded();
    directory.sql("rules", "DROP TABLE rule; create table [rule] (chat INTEGER, -- moved\n id INTEGER primary key, body TEXT)");
    let inspection = migrator.verify().expect("verifies");
    assert!(inspection.findings.is_empty(), "{:?}", inspection.findings);
    assert_eq!(
        inspection.notes,
        ["rules: table `rule` is changed, in the order of its columns only"]
    );
}

#[test]
fn a_declared_baseline_is_what_the_set_is_compared_on() {
    let directory = Directory::new();
    directory.sql("chat", APPLICATION);
    let without = Migrator::new(adopting(), directory.path());
    let with = Migrator::new(adopting().with_baseline(&[("chat", APPLICATION)]), directory.path());
    finds(&with, &[]);
    without.upgrade(&Target::Latest).expect("upgrades");
    let inspection = without.verify().expect("verifies");
    assert!(!inspection.schema_compared);
    assert!(inspection.notes[0].contains("`baseline` in `migrations!`"), "{:?}", inspection.notes);
    finds(&with, &[]);
    directory.sql("chat", "DROP INDEX by_body");
    finds(&with, &["drift: chat: index `by_body` is missing"]);
}

#[test]
fn a_baseline_is_compared_before_the_first_upgrade_too() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE note (id INTEGER PRIMARY KEY, body BLOB)");
    let set = adopting().with_baseline(&[("chat", APPLICATION)]);
    finds(
        &Migrator::new(set, directory.path()),
        &["drift: chat: table `note` is changed", "drift: chat: index `by_body` is missing"],
    );
}

#[test]
fn a_baseline_of_no_database_or_with_wrong_sql_is_refused() {
    let directory = Directory::new();
    let unknown = adopting().with_baseline(&[("chats", APPLICATION)]);
    let error = Migrator::new(unknown, directory.path()).status().expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidSet);
    assert!(error.details()[0].contains("names the database chats"), "{:?}", error.details());
    let wrong = adopting()
        .with_baseline(&[("chat", "CREATE TABLE note (a); INSERT INTO nothing VALUES (1)")]);
    let error = Migrator::new(wrong, directory.path())
        .compiled_schema(&Target::Latest)
        .expect_err("refused");
    assert!(error.to_string().contains("the baseline of chat can't be made"), "{error}");
    assert!(directory.contents().is_empty());
}

#[test]
fn a_database_that_no_migration_touched_is_the_applications_own() {
    let directory = Directory::new();
    directory.sql("rules", "CREATE TABLE whatever (a)");
    let set = vec![sql("0001", "chat", "CREATE TABLE t (a)", "DROP TABLE t")];
    let migrator = migrator(&directory, set);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    finds(&migrator, &[]);
}

#[test]
fn accepted_drift_is_silent_until_something_else_changes_the_object() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "CREATE TABLE draft (a); ALTER TABLE chat ADD COLUMN extra");
    let accepted = migrator.accept_drift().expect("accepts");
    let messages: Vec<&str> = accepted.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["chat: table `chat` is changed", "chat: table `draft` is added"]);
    finds(&migrator, &[]);
    let notes = migrator.verify().expect("verifies").notes;
    assert_eq!(notes, ["2 difference(s) of the schema are accepted"]);
    assert!(migrator.accept_drift().expect("nothing is left to accept").is_empty());
    directory.sql("chat", "ALTER TABLE draft ADD COLUMN b");
    let findings = migrator.verify().expect("verifies").findings;
    assert_eq!(findings.len(), 1);
    assert!(
        findings[0]
            .message
            .starts_with("chat: table `draft` is added; it was accepted in another form on 20"),
        "{}",
        findings[0].message
    );
    directory.sql("chat", "DROP TABLE draft");
    finds(&migrator, &[]);
}

#[test]
fn an_accepted_absence_is_no_drift_and_neither_is_the_object_when_it_comes_back() {
    let (directory, migrator) = upgraded();
    directory.sql("rules", "DROP TABLE rule");
    migrator.accept_drift().expect("accepts");
    finds(&migrator, &[]);
    directory.sql("rules", "CREATE TABLE rule (id INTEGER PRIMARY KEY, body TEXT, chat INTEGER)");
    finds(&migrator, &[]);
}

#[test]
fn what_a_migration_makes_of_an_accepted_object_stands_with_it() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "ALTER TABLE chat ADD COLUMN extra; CREATE TABLE draft (a)");
    migrator.accept_drift().expect("accepts");
    let longer = [
        three(),
        vec![sql(
            "0004",
            "chat",
            "ALTER TABLE chat ADD COLUMN later TEXT",
            "ALTER TABLE chat DROP COLUMN later",
        )],
    ];
    let next = crate::support::migrator(&directory, longer.concat());
    next.upgrade(&Target::Latest).expect("upgrades");
    finds(&next, &[]);
    next.downgrade(&"0003".parse::<Version>().expect("a version")).expect("reverts");
    finds(&next, &[]);
    directory.sql("chat", "ALTER TABLE chat ADD COLUMN more");
    next.upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(next.verify().expect("verifies").findings.len(), 1, "a migration hides no drift");
}

#[test]
fn a_failed_run_leaves_the_accepted_drift_as_it_was() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "ALTER TABLE chat ADD COLUMN extra");
    migrator.accept_drift().expect("accepts");
    let fails = sql("0004", "chat", "ALTER TABLE chat ADD COLUMN later; SELECT nowhere", "");
    crate::support::migrator(&directory, [three(), vec![fails]].concat())
        .upgrade(&Target::Latest)
        .expect_err("fails");
    let findings = migrator.verify().expect("verifies").findings;
    assert_eq!(findings.iter().map(|one| one.code).collect::<Vec<_>>(), ["failed"]);
}

#[test]
fn accepting_is_written_to_the_log_and_nothing_but_the_history_file_changes() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "CREATE TABLE draft (a)");
    let mut before = directory.contents();
    migrator.accept_drift().expect("accepts");
    let mut after = directory.contents();
    for files in [&mut before, &mut after] {
        files.remove(&directory.file("migrations.db"));
    }
    assert_eq!(after, before);
    let last = migrator.history().expect("asks").pop().expect("an event");
    assert_eq!((last.kind, last.version.as_deref()), (EventKind::Accepted, None));
    assert_eq!(last.note.as_deref(), Some("chat: table `draft` is added"));
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
}

#[test]
fn drift_is_not_accepted_while_something_else_is_wrong() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "CREATE TABLE draft (a)");
    directory
        .sql("migrations", "UPDATE migration_history SET checksum = 'x' WHERE version = '0001'");
    let before = directory.contents();
    let error = migrator.accept_drift().expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NeedsOperator);
    assert_eq!(error.details(), ["modified: migration 0001 `step_0001` is modified"]);
    assert_eq!(directory.contents(), before);
}

#[test]
fn data_that_is_newer_is_not_compared() {
    let (directory, migrator) = upgraded();
    directory.sql(
        "migrations",
        "INSERT INTO migration_history VALUES ('0099', 'future', 'now', 'x', 1, 0, NULL)",
    );
    directory.sql("chat", "CREATE TABLE of_the_future (a)");
    let inspection = migrator.verify().expect("verifies");
    assert_eq!(inspection.findings.iter().map(|one| one.code).collect::<Vec<_>>(), ["missing"]);
    assert!(!inspection.schema_compared);
}

#[test]
fn the_column_that_the_python_tool_dropped_is_named_and_its_new_place_is_a_note() {
    let directory = agentos::directory("agentos-states/downgraded-0001");
    let path = directory.path();
    let verify = run(path, &["verify"]);
    assert_eq!(verify.code, 3);
    assert!(verify.out.contains("-    message_count INTEGER DEFAULT 0,"), "{}", verify.out);
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    let verify = run(path, &["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.out);
    assert!(verify.out.contains("in the order of its columns only"), "{}", verify.out);
    let accept = run(path, &["accept", "--drift"]);
    assert_eq!((accept.code, accept.out.lines().count()), (0, 1), "{}", accept.err);
    assert!(!run(path, &["verify"]).out.contains("order of its columns"));
}

#[test]
fn drift_is_accepted_by_command() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    directory.sql("rules", "CREATE TABLE plugin (name TEXT)");
    let verify = run(path, &["verify"]);
    assert_eq!(verify.code, 3);
    assert!(verify.out.contains("drift        rules: table `plugin` is added"), "{}", verify.out);
    assert!(verify.out.contains("+    name TEXT"), "{}", verify.out);
    let accept = run(path, &["accept", "--drift", "--json"]);
    assert_eq!((accept.code, accept.json()["accepted"][0]["name"].as_str()), (0, Some("plugin")));
    assert_eq!(run(path, &["verify"]).code, 0);
    assert_eq!(run(path, &["accept", "--drift"]).code, 0, "nothing is left to accept");
    assert_eq!(run(path, &["accept"]).code, 64);
    assert!(run(path, &["history"]).out.contains("table `plugin` is added"));
}
