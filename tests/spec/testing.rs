//! The check of a whole set finds what a set must not do.

use agentos_migrate::testing::{Harness, check, prove_downgrades};
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
fn a_statement_on_a_table_or_a_column_that_is_not_there_is_named_with_the_place_of_its_migration() {
    for wrong in ["UPDATE chats SET id = 1", "UPDATE chat SET titel = ''"] {
        let set = registry(vec![
            sql("0001", "chat", "CREATE TABLE chat (id INTEGER, title TEXT)", "DROP TABLE chat"),
            Migration::new("0002", &["chat"], move |ctx| {
                ctx.execute("chat", wrong, [])?;
                Ok(())
            }),
        ]);
        let error = check(&set).expect_err("refused");
        let details = error.details();
        assert!(details.contains(&format!("  statement  {wrong}")), "{error:?}");
        let place = set.migrations()[1].info().location;
        assert!(place.file.ends_with("testing.rs"), "{place}");
        assert!(details.contains(&format!("  at {place}")), "{error:?}");
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
