//! The check of a whole set finds what a set must not do.

use agentos_migrate::testing::{Checks, Harness, check, prove_downgrades};
use agentos_migrate::{ErrorKind, Migration};

use crate::support::{registry, sql, three};

#[test]
fn a_sound_set_passes() {
    check(&registry(three())).expect("sound");
}

#[test]
fn a_downgrade_that_leaves_something_is_named_unless_that_is_meant() {
    let keeping = |up| sql("0001", "chat", up, "SELECT 1");
    let error = check(&registry(vec![keeping("CREATE TABLE chat (id INTEGER)")]))
        .expect_err("a table stays");
    assert_eq!(error.kind(), ErrorKind::ValidationFailed);
    assert_eq!(
        error.to_string(),
        "migration 0001 `step_0001`: downgrade that does not restore the schema"
    );
    let allow = &["AM301: the table is the program's"];
    let twice = registry(vec![keeping("CREATE TABLE chat (id INTEGER)").allow(allow)]);
    let error = check(&twice).expect_err("it can't run twice");
    assert!(error.to_string().contains("can't be applied again"), "{error:?}");
    let meant =
        registry(vec![keeping("CREATE TABLE IF NOT EXISTS chat (id INTEGER)").allow(allow)]);
    check(&meant).expect("as it says");
}

#[test]
fn a_downgrade_that_loses_rows_is_named() {
    let set = registry(vec![
        sql("0001", "chat", "CREATE TABLE chat (id INTEGER)", "DROP TABLE chat"),
        sql("0002", "chat", "CREATE TABLE more (id INTEGER)", "DROP TABLE more; DELETE FROM chat"),
    ]);
    let error = check(&set).expect_err("a row is gone");
    let text = format!("{error:?}");
    assert!(text.contains("`chat` held 7 row(s), and after up and down it is empty"), "{text}");
}

#[test]
fn a_migration_that_fails_on_rows_is_found_as_tables_are_not_empty() {
    let fails = "ALTER TABLE chat ADD COLUMN title TEXT NOT NULL DEFAULT ''; \
                 CREATE UNIQUE INDEX one ON chat (title); INSERT INTO chat DEFAULT VALUES";
    let set = registry(vec![
        sql("0001", "chat", "CREATE TABLE chat (id INTEGER)", "DROP TABLE chat"),
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.execute_batch("chat", fails)?;
            Ok(())
        }),
    ]);
    let error = check(&set).expect_err("not unique");
    assert!(error.to_string().contains("unique key on values that occur twice"), "{error:?}");
}

#[test]
fn every_downgrade_is_shown_to_bring_back_schema_and_rows() {
    let proofs = prove_downgrades(&registry(three())).expect("sound");
    assert_eq!(
        proofs[2].to_string(),
        "0003 `migration_0003` and back: schema as before, 14 rows of 2 tables as before; gone with \
         what it made: column `rules` of chat.chat, column `chat` of rules.rule"
    );
    assert_eq!(proofs[0].gone, ["table chat.chat"]);
}

#[test]
fn a_downgrade_that_changes_a_value_is_shown_with_the_row_unless_that_is_declared() {
    let base = || {
        sql(
            "0001",
            "chat",
            "CREATE TABLE chat (id INTEGER PRIMARY KEY, title TEXT)",
            "DROP TABLE chat",
        )
    };
    let trims = || sql("0002", "chat", "UPDATE chat SET title = upper(title)", "SELECT 1");
    let error = prove_downgrades(&registry(vec![base(), trims()])).expect_err("not undone");
    assert_eq!(
        error.to_string(),
        "migration 0002 `step_0002`: downgrade that loses data and does not say so"
    );
    let text = format!("{error:?}");
    assert!(
        text.contains("other values in `title`") && text.contains("chat: id=1, title='a'"),
        "{text}"
    );
    let declared = trims().allow(&["AM302: nobody minds the case"]);
    let proofs = prove_downgrades(&registry(vec![base(), declared])).expect("declared");
    assert_eq!(proofs[1].declared, ["AM302 (nobody minds the case)"]);
}

#[test]
fn a_directory_stands_at_any_version_and_moves_both_ways() {
    let harness = Harness::at(registry(three()), "0002").expect("builds");
    let current = || harness.migrator().status().expect("answers").current_version;
    assert_eq!(current().as_deref(), Some("0002"));
    harness
        .connection("chat")
        .expect("opens")
        .execute("INSERT INTO chat VALUES (1, 'a')", [])
        .expect("fills");
    harness.migrate_to("0003").expect("goes up");
    harness.migrate_to("0001").expect("goes down");
    assert_eq!(current().as_deref(), Some("0001"));
    assert!(harness.connection("other").is_err());
}

#[test]
fn a_statement_on_a_table_or_a_column_that_is_not_there_is_named_with_its_place() {
    for wrong in ["UPDATE chats SET id = 1", "UPDATE chat SET titel = ''"] {
        let line = line!() + 4;
        let set = registry(vec![
            sql("0001", "chat", "CREATE TABLE chat (id INTEGER, title TEXT)", "DROP TABLE chat"),
            Migration::new("0002", &["chat"], move |ctx| {
                ctx.execute("chat", wrong, [])?;
                Ok(())
            }),
        ]);
        let error = check(&set).expect_err("refused");
        let details = error.details();
        assert!(details.contains(&format!("statement: {wrong}")), "{error:?}");
        let place = set.migrations()[1].info().location;
        assert!(place.file.ends_with("testing.rs"), "{place}");
        assert!(details.contains(&format!("migration at {place}")), "{error:?}");
        assert!(details.contains(&format!("statement at {}:{line}", file!())), "{error:?}");
    }
}

#[test]
fn a_directory_begins_with_what_the_application_makes() {
    let adopting = sql(
        "0001",
        "chat",
        "ALTER TABLE note ADD COLUMN pinned INTEGER",
        "ALTER TABLE note DROP COLUMN pinned",
    );
    let set = registry(vec![adopting]);
    assert!(check(&set).is_err(), "the table is the application's");
    let set = set.with_baseline(&[("chat", "CREATE TABLE note (id INTEGER PRIMARY KEY)")]);
    check(&set).expect("is sound");
    let harness = Harness::empty(set).expect("a directory");
    harness
        .connection("chat")
        .expect("opens")
        .execute("INSERT INTO note VALUES (1)", [])
        .expect("fills");
    harness.migrate_to("0001").expect("upgrades");
    assert!(harness.migrator().verify().expect("verifies").findings.is_empty());
}

/// A set that nothing is wrong with, as users get its tests.
mod sound {
    use agentos_migrate::Error;

    use crate::support::{registry, three};

    agentos_migrate::migration_tests!(registry(three()));

    #[test]
    fn the_macro_makes_a_test_of_each_check() {
        let tests: [fn() -> Result<(), Error>; 7] = [
            the_lock_file_holds_every_migration,
            a_new_directory_is_built_and_a_second_run_has_nothing_to_do,
            every_migration_goes_up_and_down_and_up_with_rows_and_without,
            a_directory_that_stood_at_any_version_ends_as_a_new_one,
            every_foreign_key_can_hold,
            a_run_that_ends_at_any_moment_is_finished_by_the_next,
            runs_that_meet_apply_each_migration_once,
        ];
        let ran = std::process::Command::new(std::env::current_exe().expect("a path"))
            .args(["testing::sound", "--list"])
            .output()
            .expect("runs");
        let list = String::from_utf8(ran.stdout).expect("text");
        assert_eq!(list.matches(": test").count(), tests.len() + 1, "{list}");
    }
}

/// Names of the checks that find something wrong with a set.
fn failing(set: &agentos_migrate::Registry) -> Vec<&'static str> {
    let checks = Checks::of(set);
    let all: [(&str, Result<(), agentos_migrate::Error>); 6] = [
        ("new_directory", checks.new_directory()),
        ("steps", checks.steps()),
        ("prefixes", checks.prefixes()),
        ("foreign_keys", checks.foreign_keys()),
        ("crashes", checks.crashes()),
        ("races", checks.races()),
    ];
    all.into_iter().filter_map(|(name, outcome)| outcome.err().map(|_| name)).collect()
}

fn chat() -> Migration {
    sql("0001", "chat", "CREATE TABLE chat (id INTEGER PRIMARY KEY)", "DROP TABLE chat")
}

#[test]
fn each_check_fails_on_a_set_that_only_it_is_for() {
    assert!(failing(&registry(three())).is_empty());
    // Does not run at all.
    let set = registry(vec![sql("0001", "chat", "ALTER TABLE nowhere ADD COLUMN a", "SELECT 1")]);
    assert_eq!(failing(&set).len(), 6);
    // Leaves a table.
    let set =
        registry(vec![chat(), sql("0002", "chat", "CREATE TABLE IF NOT EXISTS b (a)", "SELECT 1")]);
    assert_eq!(failing(&set), ["steps"]);
    // A column that only an empty table takes.
    let now = "ALTER TABLE chat ADD COLUMN at INTEGER NOT NULL DEFAULT (unixepoch())";
    let set = registry(vec![chat(), sql("0002", "chat", now, "ALTER TABLE chat DROP COLUMN at")]);
    assert_eq!(failing(&set), ["steps", "crashes"]);
    // A new directory gets something else than one that is there.
    let second = Migration::new("0002", &["chat"], |ctx| {
        if ctx.database_existed("chat")? {
            ctx.execute("chat", "CREATE TABLE later (a)", [])?;
        }
        Ok(())
    });
    assert_eq!(failing(&registry(vec![chat(), second])), ["prefixes"]);
    // A parent that is not there: SQLite says so when a row comes.
    let set = registry(vec![sql(
        "0001",
        "chat",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES parent(id))",
        "DROP TABLE c; DROP TABLE p",
    )]);
    assert_eq!(failing(&set), ["foreign_keys"]);
}

#[test]
fn a_migration_that_changes_more_than_its_databases_fails_the_checks_of_crashes_and_races() {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// As a temporary file of a fixed name would be.
    static TAKEN: AtomicBool = AtomicBool::new(false);

    let outside = Migration::new("0001", &["chat"], |ctx| {
        std::fs::create_dir(ctx.data_dir().join("attachments"))?;
        ctx.execute("chat", "CREATE TABLE chat (id INTEGER PRIMARY KEY)", [])?;
        Ok(())
    });
    let set = registry(vec![outside]);
    let error = Checks::of(&set).crashes().expect_err("is there when it runs again");
    assert!(error.to_string().contains("the run after a crash of the building"), "{error}");
    assert_eq!(failing(&set), ["crashes"]);

    let shared = Migration::new("0001", &["chat"], |ctx| {
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(agentos_migrate::MigrationError::msg("somebody else is at it"));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        ctx.execute("chat", "CREATE TABLE chat (id INTEGER PRIMARY KEY)", [])?;
        TAKEN.store(false, Ordering::SeqCst);
        Ok(())
    });
    let set = registry(vec![shared]);
    assert!(Checks::of(&set).new_directory().is_ok());
    let error = Checks::of(&set).races().expect_err("two at once");
    assert!(error.to_string().contains("a run fails that succeeds alone"), "{error}");
}

#[test]
fn a_migration_that_commits_by_itself_must_be_able_to_begin_again() {
    let checked = crate::registry();
    let error = Checks::of(&checked).crashes().expect_err("inserts twice");
    assert!(error.to_string().contains("a crash of the building"), "{error:?}");
    assert!(format!("{error:?}").contains("rows instead of"), "{error:?}");
}
