//! What the lint says of data that is lost and of names that go: `AM1xx` and `AM4xx`.
//!
//! For each code a migration that has it, and its near miss that has not.

use agentos_migrate::Migration;
use agentos_migrate::testing::Severity;

use crate::support::lint::{FAMILY, NOTE, findings_of, nothing, one_way, only};

#[test]
fn am101_a_table_is_dropped_with_its_rows() {
    let finding = only("AM101", NOTE, one_way("DROP TABLE note"));
    assert_eq!(finding.statement.as_deref(), Some("DROP TABLE note"));
    assert!(finding.rows[0].starts_with("note: id=1, body='a'"), "{:?}", finding.rows);
    nothing(NOTE, one_way("DROP TABLE note").deletes(&["note"]));
    nothing(NOTE, one_way("CREATE TABLE t (a); INSERT INTO t VALUES (1); DROP TABLE t"));
}

#[test]
fn am102_a_column_is_dropped_with_its_values() {
    let finding = only("AM102", NOTE, one_way("ALTER TABLE note DROP COLUMN size"));
    assert_eq!(finding.message, "column `size` of `note` is dropped with its values");
    assert_eq!(finding.severity, Severity::Error);
    let emptied = "ALTER TABLE note ADD COLUMN extra; ALTER TABLE note DROP COLUMN extra";
    nothing(NOTE, one_way(emptied));
}

#[test]
fn am103_rows_are_lost_through_a_trigger() {
    let setup = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);
        CREATE TRIGGER gone AFTER UPDATE ON a BEGIN DELETE FROM b; END";
    let finding = only("AM103", setup, one_way("UPDATE a SET id = id"));
    assert_eq!(finding.rows.len(), 2, "one row of each table: {:?}", finding.rows);
    nothing(setup, one_way("UPDATE a SET id = id").deletes(&["b"]));
}

#[test]
fn am104_children_are_left_without_their_parent() {
    let finding = only("AM104", FAMILY, one_way("DELETE FROM parent").deletes(&["parent"]));
    assert!(finding.message.contains("foreign key violation"), "{}", finding.message);
    assert!(finding.rows.iter().any(|row| row.starts_with("child: ")), "{:?}", finding.rows);
    let both = one_way("DELETE FROM child; DELETE FROM parent").deletes(&["parent", "child"]);
    nothing(FAMILY, both);
}

#[test]
fn am105_rows_are_deleted_that_nothing_declares() {
    let finding = only("AM105", NOTE, one_way("DELETE FROM note WHERE body IS NULL"));
    assert!(finding.message.starts_with("1 of 8 rows of `note`"), "{}", finding.message);
    assert!(finding.rows[0].contains("body=NULL"), "{:?}", finding.rows);
    nothing(NOTE, one_way("DELETE FROM note WHERE body IS NULL").deletes(&["note"]));
    nothing(NOTE, one_way("DELETE FROM note WHERE id < 0 AND id > 0"));
}

#[test]
fn am106_every_value_of_a_column_is_replaced_by_one() {
    let finding = only("AM106", NOTE, one_way("UPDATE note SET body = 'new'"));
    assert_eq!(finding.statement.as_deref(), Some("UPDATE note SET body = 'new'"));
    nothing(NOTE, one_way("UPDATE note SET body = 'new' WHERE body IS NULL"));
    nothing(NOTE, one_way("UPDATE note SET body = trim(body)"));
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN state TEXT; UPDATE note SET state = 'new'"));
}

#[test]
fn am107_values_change_with_the_type_of_their_column() {
    let retyped = |name: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.rebuild_table("chat", "note", |table| {
                table.set_type("body", name);
            })?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM107", NOTE, retyped("INTEGER"));
    assert!(finding.message.contains("'007' became 7"), "{}", finding.message);
    nothing(NOTE, retyped("VARCHAR(20)"));
}

#[test]
fn am108_a_table_is_made_anew_by_hand_and_not_all_of_it() {
    let setup = "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT COLLATE NOCASE, \
        size INTEGER CHECK (size IS NULL OR size <> 3)); CREATE INDEX by_body ON note (body); \
        CREATE TRIGGER stamp AFTER INSERT ON note BEGIN SELECT 1; END";
    let careless = "CREATE TABLE new (id INTEGER PRIMARY KEY, body TEXT, size INTEGER); \
        INSERT INTO new SELECT * FROM note; DROP TABLE note; ALTER TABLE new RENAME TO note";
    let finding = only("AM108", setup, one_way(careless));
    for part in
        ["COLLATE NOCASE of `body`", "AUTOINCREMENT", "CHECK", "index `by_body`", "trigger `stamp`"]
    {
        assert!(finding.message.contains(part), "{part}: {}", finding.message);
    }
    let careful = "CREATE TABLE new (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT COLLATE NOCASE, \
        size INTEGER CHECK (size IS NULL OR size <> 3) DEFAULT 0); \
        INSERT INTO new SELECT * FROM note; DROP TABLE note; ALTER TABLE new RENAME TO note; \
        CREATE INDEX by_body ON note (body); CREATE TRIGGER stamp AFTER INSERT ON note BEGIN SELECT 1; END";
    nothing(setup, one_way(careful));
    let rebuilt = Migration::new("0002", &["chat"], |ctx| {
        ctx.rebuild_table("chat", "note", |table| {
            table.set_default("body", "'new'");
        })?;
        Ok(())
    });
    nothing(setup, rebuilt.irreversible("it is a test"));
}

#[test]
fn am109_a_view_a_trigger_or_a_foreign_key_does_not_work_any_more() {
    let old_first = "ALTER TABLE parent RENAME TO parent_old; CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT); \
        INSERT INTO parent SELECT * FROM parent_old; DROP TABLE parent_old";
    let report = findings_of(FAMILY, one_way(old_first));
    let lost = "refers to parent_old, which is not there";
    assert!(report.findings.iter().any(|finding| finding.message.contains(lost)), "{report:#?}");
    let setup = "CREATE TABLE note (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM note";
    let dropped = one_way("DROP TABLE note").deletes(&["note"]);
    assert!(only("AM109", setup, dropped).message.starts_with("view `v`"));
    nothing(setup, one_way("DROP VIEW v; DROP TABLE note").deletes(&["note"]));
}

#[test]
fn am401_and_am402_a_table_or_a_column_is_renamed() {
    let finding = only("AM401", NOTE, one_way("ALTER TABLE note RENAME TO memo"));
    assert!(finding.message.starts_with("table `note` is now `memo`"), "{}", finding.message);
    let by_hand = "CREATE TABLE memo AS SELECT * FROM note; DROP TABLE note";
    only("AM401", NOTE, one_way(by_hand));
    let view = "ALTER TABLE note RENAME TO memo; CREATE VIEW note AS SELECT * FROM memo";
    nothing(NOTE, one_way(view));
    let finding = only("AM402", NOTE, one_way("ALTER TABLE note RENAME COLUMN body TO text"));
    assert!(
        finding.message.starts_with("column `body` of `note` is now `text`"),
        "{}",
        finding.message
    );
    let by_hand = "ALTER TABLE note ADD COLUMN text TEXT; UPDATE note SET text = body; ALTER TABLE note DROP COLUMN body";
    only("AM402", NOTE, one_way(by_hand));
    nothing(NOTE, one_way("ALTER TABLE note ADD COLUMN text TEXT; UPDATE note SET text = body"));
}

#[test]
fn am403_a_new_column_has_to_be_named_by_every_insert() {
    let added = |column: &'static str| {
        Migration::new("0002", &["chat"], move |ctx| {
            ctx.rebuild_table("chat", "note", |table| {
                table.add_column(column);
                table.copy_expr("state", "'old'");
            })?;
            Ok(())
        })
        .irreversible("it is a test")
    };
    let finding = only("AM403", NOTE, added("state TEXT NOT NULL"));
    assert!(finding.message.contains("no row without `state`"), "{}", finding.message);
    nothing(NOTE, added("state TEXT NOT NULL DEFAULT 'new'"));
}
