//! Drift: `verify` names what is not as the migrations made it, is silent about what is the
//! application's own or was accepted, and speaks again when that changes.

use agentos_migrate::{
    ErrorKind, EventKind, Finding, Migration, Migrator, Registry, Target, Version,
};

use crate::support::command::run;
use crate::support::{Directory, agentos, migrator, registry, sql, three};

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

fn upgraded() -> (Directory, Migrator) {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    (directory, migrator)
}

#[track_caller]
fn check(migrator: &Migrator, expected: &[&str]) {
    let findings = migrator.verify().expect("verifies").findings;
    let found: Vec<String> = findings.iter().map(line).collect();
    assert_eq!(found, expected);
}

fn line(finding: &Finding) -> String {
    format!("{}: {}", finding.code, finding.message)
}

#[test]
fn added_missing_and_changed_objects_are_named_with_their_difference() {
    let (directory, migrator) = upgraded();
    check(&migrator, &[]);
    directory.sql(
        "chat",
        "CREATE INDEX mine ON chat(title); ALTER TABLE chat ADD COLUMN extra; CREATE VIEW v AS SELECT 1",
    );
    directory.sql("rules", "DROP TABLE rule");
    check(
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
    check(&with, &[]);
    without.upgrade(&Target::Latest).expect("upgrades");
    let inspection = without.verify().expect("verifies");
    assert!(!inspection.schema_compared);
    assert!(inspection.notes[0].contains("`baseline` in `migrations!`"), "{:?}", inspection.notes);
    check(&with, &[]);
    directory.sql("chat", "DROP INDEX by_body");
    check(&with, &["drift: chat: index `by_body` is missing"]);
}

#[test]
fn a_baseline_is_compared_before_the_first_upgrade_too() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE note (id INTEGER PRIMARY KEY, body BLOB)");
    let set = adopting().with_baseline(&[("chat", APPLICATION)]);
    check(
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
    check(&migrator, &[]);
}

#[test]
fn accepted_drift_is_silent_until_something_else_changes_the_object() {
    let (directory, migrator) = upgraded();
    directory.sql("chat", "CREATE TABLE draft (a); ALTER TABLE chat ADD COLUMN extra");
    let accepted = migrator.accept_drift().expect("accepts");
    let messages: Vec<&str> = accepted.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["chat: table `chat` is changed", "chat: table `draft` is added"]);
    check(&migrator, &[]);
    let notes = migrator.verify().expect("verifies").notes;
    assert_eq!(notes, ["2 difference(s) of the schema are accepted"]);
    let error = migrator.accept_drift().expect_err("nothing is left to accept");
    assert_eq!(error.kind(), ErrorKind::Usage);
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
    check(&migrator, &[]);
}

#[test]
fn an_accepted_absence_is_no_drift_and_neither_is_the_object_when_it_comes_back() {
    let (directory, migrator) = upgraded();
    directory.sql("rules", "DROP TABLE rule");
    migrator.accept_drift().expect("accepts");
    check(&migrator, &[]);
    directory.sql("rules", "CREATE TABLE rule (id INTEGER PRIMARY KEY, body TEXT, chat INTEGER)");
    check(&migrator, &[]);
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
    check(&next, &[]);
    next.downgrade(&"0003".parse::<Version>().expect("a version")).expect("reverts");
    check(&next, &[]);
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
fn a_file_of_another_directory_is_named_and_may_be_accepted() {
    let (directory, migrator) = upgraded();
    let (other, _) = upgraded();
    std::fs::copy(other.file("rules.db"), directory.file("rules.db")).expect("copies");
    let findings = migrator.verify().expect("verifies").findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!((findings[0].code, findings[0].database.as_deref()), ("copied_in", Some("rules")));
    assert!(findings[0].message.starts_with("rules records 0002 as applied at 20"));
    assert_eq!(migrator.accept_drift().expect("accepts").len(), 2);
    check(&migrator, &[]);
}

#[test]
fn an_older_copy_and_a_missing_an_empty_and_a_foreign_file_are_named() {
    let (directory, migrator) = upgraded();
    let early = Directory::new();
    crate::support::migrator(&early, three())
        .upgrade(&Target::Version("0002".parse().expect("a version")))
        .expect("upgrades");
    std::fs::remove_file(directory.file("chat.db")).expect("removes");
    let missing = format!(
        "no_file: {} is missing, and the history has 2 migration(s) on it",
        directory.file("chat.db").display()
    );
    check(&migrator, &[&missing]);
    std::fs::write(directory.file("chat.db"), "").expect("writes");
    check(&migrator, &[&missing.replace("missing", "empty")]);
    std::fs::write(
        directory.file("chat.db"),
        "no database at all, but long enough to be looked at".repeat(20),
    )
    .expect("writes");
    assert_eq!(migrator.verify().expect("verifies").findings[0].code, "damaged");
    std::fs::copy(early.file("chat.db"), directory.file("chat.db")).expect("copies");
    let codes: Vec<&str> =
        migrator.verify().expect("verifies").findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unrecorded", "copied_in", "drift"]);
}

#[test]
fn a_lost_history_is_said_once_and_nothing_runs_twice() {
    let (directory, migrator) = upgraded();
    std::fs::remove_file(directory.file("migrations.db")).expect("removes");
    check(
        &migrator,
        &[
            "no_history: migrations.db holds no history, and the databases record 4 applied migration(s)",
        ],
    );
    let before = directory.contents();
    let failure = migrator.upgrade(&Target::Latest).expect_err("it would run everything twice");
    assert_eq!(failure.kind(), ErrorKind::NeedsOperator);
    assert!(failure.to_string().starts_with("the databases record 0001, 0002, 0003 as applied"));
    assert_eq!(directory.contents(), before);
    assert_eq!(migrator.recover().expect("recovers").taken_into_history, ["0001", "0002", "0003"]);
    check(&migrator, &[]);
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    migrator.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    check(&migrator, &[]);
}

#[test]
fn what_only_one_of_its_databases_records_runs_again() {
    // An older tool committed file by file, and died between two of them.
    let directory = Directory::new();
    let set = || {
        vec![Migration::new("0001", &["chat", "rules"], |ctx| {
            ctx.execute("chat", "CREATE TABLE IF NOT EXISTS a (b)", [])?;
            ctx.execute("rules", "CREATE TABLE IF NOT EXISTS a (b)", [])?;
            Ok(())
        })]
    };
    migrator(&directory, set()).upgrade(&Target::Latest).expect("upgrades");
    std::fs::remove_file(directory.file("migrations.db")).expect("removes");
    std::fs::remove_file(directory.file("rules.db")).expect("removes");
    assert!(migrator(&directory, set()).recover().expect("recovers").is_empty());
    migrator(&directory, set()).upgrade(&Target::Latest).expect("runs again");
    check(&migrator(&directory, set()), &[]);
}

#[test]
fn a_page_that_is_damaged_and_orphans_are_told_apart() {
    let (directory, migrator) = upgraded();
    directory.sql(
        "chat",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 900 WHERE name = 'chat'",
    );
    let findings = migrator.verify().expect("verifies").findings;
    assert!(findings.iter().any(|finding| finding.code == "damaged"), "{findings:?}");

    let (directory, migrator) = upgraded();
    directory.sql("migrations", "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 900 WHERE name = 'migration_events'");
    let told = migrator.verify();
    let is_told = told
        .as_ref()
        .map_or(true, |look| look.findings.iter().any(|finding| finding.code == "damaged"));
    assert!(is_told, "{told:?}");
}

#[test]
fn a_row_of_the_version_table_that_was_edited_is_named() {
    let directory = agentos::directory("agentos-v2");
    let migrator = Migrator::new(migrations::registry(), directory.path());
    check(&migrator, &[]);
    directory.sql(
        "conversations",
        "UPDATE schema_version SET version = '9.9.9' WHERE migration_version = '0002'",
    );
    check(
        &migrator,
        &[
            "version_differs: conversations records 0002 as schema version 9.9.9, and it declares 1.1.0",
        ],
    );
}

#[test]
fn a_version_written_with_more_zeros_is_the_same_one_everywhere() {
    let (directory, _) = upgraded();
    let renamed: Vec<Migration> = vec![
        sql("00001", "chat", "SELECT 1", "DROP TABLE chat").name("step_0001"),
        three().remove(1).depends_on(&["00001"]),
        three().remove(2),
    ];
    let migrator = migrator(&directory, renamed);
    directory.sql("migrations", "UPDATE migration_history SET checksum = (SELECT checksum FROM migration_events WHERE version = migration_history.version)");
    check(&migrator, &[]);
    assert!(migrator.recover().expect("recovers").is_empty());
    migrator.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    assert_eq!(directory.ask("migrations", "SELECT count(*) FROM migration_history"), "0");
    check(&migrator, &[]);
    let left = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'";
    assert_eq!(directory.ask("chat", left), "0");
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
    assert_eq!(run(path, &["accept", "--drift"]).code, 64);
    assert_eq!(run(path, &["accept"]).code, 64);
    assert!(run(path, &["history"]).out.contains("table `plugin` is added"));
}
