//! The check of a whole set finds what a set must not do.

use agentos_migrate::testing::{Harness, check, check_keeping};
use agentos_migrate::{ErrorKind, Migration};

use crate::support::{registry, sql, three};

#[test]
fn a_sound_set_passes() {
    check(&registry(three())).expect("sound");
}

#[test]
fn a_downgrade_that_leaves_something_is_named_unless_that_is_meant() {
    let set = registry(vec![sql("0001", "chat", "CREATE TABLE chat (id INTEGER)", "SELECT 1")]);
    let error = check(&set).expect_err("a table stays");
    assert_eq!(error.kind(), ErrorKind::ValidationFailed);
    assert!(error.to_string().contains("0001"), "{error:?}");
    let error = check_keeping(&set, &["0001"]).expect_err("it cannot run twice");
    assert!(error.to_string().contains("already exists") || !error.details().is_empty());
}

#[test]
fn a_downgrade_that_loses_rows_is_named() {
    let set = registry(vec![
        sql("0001", "chat", "CREATE TABLE chat (id INTEGER)", "DROP TABLE chat"),
        sql("0002", "chat", "CREATE TABLE more (id INTEGER)", "DROP TABLE more; DELETE FROM chat"),
    ]);
    let error = check(&set).expect_err("a row is gone");
    assert!(format!("{error:?}").contains("chat.chat"), "{error:?}");
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
    assert_eq!(check(&set).expect_err("not unique").kind(), ErrorKind::MigrationFailed);
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
        assert!(details.contains(&format!("statement: {wrong}")), "{error:?}");
        let place = set.migrations()[1].info().location;
        assert!(place.file.ends_with("testing.rs"), "{place}");
        assert!(details.contains(&format!("migration at {place}")), "{error:?}");
    }
}
