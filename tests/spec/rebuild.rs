//! Changing a table: what ALTER TABLE can't do is done without losing a row,
//! with the other files of the run, or not at all.

use agentos_migrate::{ErrorKind, Migration, RebuildPath, Target};

use crate::support::{Directory, migrator};

const FAMILY: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id) ON DELETE CASCADE);
    CREATE INDEX parent_by_name ON parent (name);
    CREATE VIEW named AS SELECT name FROM parent WHERE name IS NOT NULL;
    INSERT INTO parent VALUES (1, 'a'), (2, NULL);
    INSERT INTO child VALUES (1, 1), (2, 2), (3, 2);";

fn require_names() -> Migration {
    Migration::new("0001", &["chat"], |ctx| {
        let report = ctx.rebuild_table("chat", "parent", |table| {
            table.set_not_null("name").copy_expr("name", "coalesce(name, 'nobody')");
        })?;
        assert_eq!((report.path, report.rows_copied), (RebuildPath::Rebuild, 2));
        Ok(())
    })
}

// Proves G4.
#[test]
fn a_changed_table_keeps_its_rows_children_index_and_view() {
    let directory = Directory::new();
    directory.sql("chat", FAMILY);
    migrator(&directory, vec![require_names()]).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT group_concat(name) FROM parent"), "a,nobody");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "3");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM named"), "2");
    let index = "SELECT count(*) FROM sqlite_schema WHERE name = 'parent_by_name'";
    assert_eq!(directory.ask("chat", index), "1");
}

// Proves G4.
#[test]
fn rows_that_the_new_table_does_not_allow_stop_the_run_and_nothing_changes() {
    let directory = Directory::new();
    directory.sql("chat", FAMILY);
    let before = directory.ask("chat", "SELECT group_concat(sql) FROM sqlite_schema");
    let strict = Migration::new("0001", &["chat", "rules"], |ctx| {
        ctx.execute("rules", "CREATE TABLE other (id INTEGER)", [])?;
        ctx.rebuild_table("chat", "parent", |table| {
            table.set_not_null("name");
        })?;
        Ok(())
    });
    let error =
        migrator(&directory, vec![strict]).upgrade(&Target::Latest).expect_err("a name is missing");
    assert_eq!(error.kind(), ErrorKind::MigrationFailed);
    assert_eq!(directory.ask("chat", "SELECT group_concat(sql) FROM sqlite_schema"), before);
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "3");
    assert!(!directory.file("rules.db").exists());
}

#[test]
fn a_rehearsal_shows_the_statements_of_a_changed_table() {
    let directory = Directory::new();
    directory.sql("chat", FAMILY);
    let rehearsal =
        migrator(&directory, vec![require_names()]).rehearse(&Target::Latest).expect("rehearses");
    let shown = format!("{rehearsal:?}");
    assert!(shown.contains("INSERT OR ABORT INTO"), "{shown}");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM parent WHERE name IS NULL"), "1");
}
