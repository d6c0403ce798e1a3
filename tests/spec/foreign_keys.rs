//! Foreign keys: a rebuild does not empty its children, old orphans do not
//! count, new ones stop the migration, and no row goes unasked.

use agentos_migrate::{ErrorKind, Migration, Target};

use crate::support::{Directory, migrator, sql};

const FAMILY: &str = "CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (1, 1), (2, 2), (3, 2);";

fn family() -> Directory {
    let directory = Directory::new();
    directory.sql("chat", FAMILY);
    directory
}

// Proves G3.
#[test]
fn a_parent_rebuilt_by_hand_keeps_its_children() {
    let directory = family();
    let rebuild = "CREATE TABLE parent_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        INSERT INTO parent_new SELECT * FROM parent; DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent;";
    migrator(&directory, vec![sql("0001", "chat", rebuild, "")])
        .upgrade(&Target::Latest)
        .expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "3");
}

// Proves G3.
#[test]
fn a_new_violation_stops_the_migration_and_is_named() {
    let directory = family();
    let set = vec![sql("0001", "chat", "DELETE FROM parent WHERE id = 2", "")];
    let error = migrator(&directory, set).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ForeignKey);
    assert_eq!(error.details()[0], "table child: 2 has no parent in parent (2 rows)");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM parent"), "2");
}

#[test]
fn old_orphans_do_not_stop_anything() {
    let directory = family();
    directory.sql("chat", "PRAGMA foreign_keys = OFF; DELETE FROM parent WHERE id = 1");
    let set = vec![
        sql("0001", "chat", "ALTER TABLE child ADD COLUMN x", ""),
        sql("0002", "chat", "DELETE FROM child WHERE parent = 1", ""),
    ];
    migrator(&directory, set).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "2");
}

fn with_trigger() -> Directory {
    let directory = family();
    directory.sql("chat", "CREATE TRIGGER sweep AFTER DELETE ON parent BEGIN DELETE FROM child WHERE parent = old.id; END");
    directory
}

// Proves G3.
#[test]
fn rows_that_disappear_through_a_trigger_stop_the_migration() {
    let directory = with_trigger();
    let set = vec![sql("0001", "chat", "DELETE FROM parent WHERE id = 2", "")];
    let error = migrator(&directory, set).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::RowsLost, "{error}");
    assert!(
        error
            .to_string()
            .contains("2 row(s) of table child in chat disappeared through trigger sweep"),
        "{error}"
    );
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "3");
}

#[test]
fn rows_that_were_declared_to_go_may_go() {
    let directory = with_trigger();
    let set = vec![sql("0001", "chat", "DELETE FROM parent WHERE id = 2", "").deletes(&["child"])];
    migrator(&directory, set).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "1");
    let directory = with_trigger();
    let set = vec![sql(
        "0001",
        "chat",
        "DELETE FROM child WHERE parent = 2; DELETE FROM parent WHERE id = 2",
        "",
    )];
    migrator(&directory, set).upgrade(&Target::Latest).expect("a statement named the table");
}

#[test]
fn each_migration_is_checked_against_the_state_before_it() {
    let directory = family();
    let set = vec![
        sql("0001", "chat", "CREATE TABLE other(p INTEGER REFERENCES parent(id))", ""),
        Migration::new("0002", &["chat"], |ctx| {
            ctx.execute("chat", "INSERT INTO other VALUES (99)", [])?;
            Ok(())
        }),
    ];
    let error = migrator(&directory, set).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ForeignKey);
    assert_eq!(error.state(), Some("0001 is applied and kept, nothing else was changed"));
}

#[test]
fn rows_that_disappear_through_a_trigger_are_found_on_the_connection_itself_too() {
    let delete = || {
        Migration::new("0001", &["chat"], |ctx| {
            ctx.connection("chat")?.execute("DELETE FROM parent WHERE id = 2", [])?;
            ctx.execute("chat", "CREATE TABLE more(x)", [])?;
            Ok(())
        })
    };
    let directory = with_trigger();
    let error = migrator(&directory, vec![delete()]).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::RowsLost, "{error}");
    assert!(error.to_string().contains("2 row(s) of table child in chat"), "{error}");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "3");
    let declared = migrator(&directory, vec![delete().deletes(&["Child"])]);
    declared.upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM child"), "1");
}

#[test]
fn a_table_that_is_renamed_away_takes_no_empty_child_with_it() {
    let directory = family();
    directory.sql("chat", "DELETE FROM child");
    let away = "ALTER TABLE parent RENAME TO parent_old;
        CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        INSERT INTO parent SELECT * FROM parent_old; DROP TABLE parent_old;";
    let error = migrator(&directory, vec![sql("0001", "chat", away, "")])
        .upgrade(&Target::Latest)
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ForeignKey);
    assert_eq!(
        error.details()[0],
        "table child: (parent) refers to parent_old, which is not there"
    );
    assert!(error.hint().expect("a hint").contains("rebuild_table"));
    directory.sql("chat", "PRAGMA foreign_keys = ON; INSERT INTO child VALUES (9, 1)");
}
