//! Native ways: taken where SQLite can, and the same result where an older one must rebuild.

use super::support::{BEFORE_NATIVE_CONSTRAINTS, Database};
use crate::schema::normalise::same_statement;
use crate::schema::rebuild::{Place, RebuildPath, TableChanges};

const TABLE: &str = "CREATE TABLE p(id INTEGER PRIMARY KEY);
    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INT, c REFERENCES p, last TEXT, CONSTRAINT small CHECK (b < 10));
    INSERT INTO t(a, b) VALUES ('x', 1), ('y', 2);
    CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT id, a FROM t;
    CREATE TRIGGER r AFTER UPDATE OF b ON t BEGIN SELECT new.b; END;";

#[track_caller]
fn takes(path: RebuildPath, change: impl Fn(&mut TableChanges)) {
    let natively = Database::new(TABLE);
    assert_eq!(natively.change("t", &change).path, path);
    let by_hand = Database::new(TABLE);
    by_hand.try_change_as_of(BEFORE_NATIVE_CONSTRAINTS, "t", &change).unwrap();
    assert!(
        same_statement(&natively.sql("t"), &by_hand.sql("t")),
        "{}\n{}",
        natively.sql("t"),
        by_hand.sql("t")
    );
    for question in
        ["SELECT * FROM t", "SELECT * FROM v", "SELECT name FROM sqlite_schema ORDER BY name"]
    {
        assert_eq!(natively.text(question), by_hand.text(question), "{question}");
    }
}

#[track_caller]
fn takes_native(change: impl Fn(&mut TableChanges)) {
    let version = rusqlite::version_number();
    assert!(
        version >= 3_053_000,
        "this test knows what SQLite {version} can do only if it is bundled"
    );
    takes(RebuildPath::Native, change);
}

#[test]
fn columns_are_added_last_natively() {
    takes_native(|t| {
        t.add_column("z TEXT");
    });
    takes_native(|t| {
        t.add_column("z TEXT NOT NULL DEFAULT 'n' CHECK (z <> '')");
        t.add_column("y INT DEFAULT -1");
    });
    takes_native(|t| {
        t.add_column("z AS (a || 'x')");
    });
    takes_native(|t| t.add_column("z REFERENCES p(id)").at(Place::after("last")));
    takes_native(|t| {
        t.add_column("z");
        t.add_column("y").at(Place::after("z"));
    });
}

#[test]
fn columns_that_sqlite_adds_to_an_empty_table_only_are_added_by_a_rebuild() {
    takes(RebuildPath::Rebuild, |t| {
        t.add_column("z TEXT DEFAULT CURRENT_DATE");
    });
    takes(RebuildPath::Rebuild, |t| {
        t.add_column("z TEXT NOT NULL DEFAULT (upper('x'))");
    });
    takes(RebuildPath::Rebuild, |t| {
        t.add_column("z UNIQUE");
    });
    takes(RebuildPath::Rebuild, |t| {
        t.add_column("z INT AS (b + 1) STORED");
    });
    takes(RebuildPath::Rebuild, |t| t.add_column("z INT").at(Place::First));
    takes(RebuildPath::Rebuild, |t| t.add_column("z INT").at(Place::after("a")));
    takes(RebuildPath::Rebuild, |t| {
        t.add_column("z INT NOT NULL");
        t.copy_expr("z", "id * 10");
    });
}

#[test]
fn constraints_are_changed_natively() {
    takes_native(|t| {
        t.set_not_null("b");
    });
    takes_native(|t| {
        t.drop_not_null("a");
    });
    takes_native(|t| {
        t.add_check("b > 0");
    });
    takes_native(|t| {
        t.add_named_check("n", "b > 0").drop_constraint("small");
    });
}

#[test]
fn columns_are_renamed_natively_and_everywhere() {
    takes_native(|t| {
        t.rename_column("a", "first name");
    });
    let database = Database::new(TABLE);
    let report = database.change("t", |t| {
        t.set_default("e", "9").rename_column("b", "e");
    });
    assert_eq!(report.path, RebuildPath::Rebuild);
    assert!(report.statements[0].contains("RENAME COLUMN"));
    assert!(database.sql("t").contains("CHECK (\"e\" < 10)"), "{}", database.sql("t"));
    assert!(database.sql("r").contains("new.\"e\""), "{}", database.sql("r"));
}

#[test]
fn a_free_column_is_dropped_natively_and_a_bound_one_by_a_rebuild() {
    takes_native(|t| {
        t.drop_column("last");
    });
    takes(RebuildPath::Rebuild, |t| {
        t.drop_column("c");
    });
    takes(RebuildPath::Rebuild, |t| {
        t.drop_column("last").set_default("a", "1");
    });
}

#[test]
fn what_sqlite_would_do_in_another_way_is_done_by_a_rebuild() {
    // SQLite keeps the explicit NULL and adds NOT NULL.
    let database = Database::new("CREATE TABLE t(a INT NULL, b); INSERT INTO t VALUES (1, 2);");
    assert_eq!(
        database
            .change("t", |t| {
                t.set_not_null("a");
            })
            .path,
        RebuildPath::Rebuild
    );
    database.has_sql("t", "CREATE TABLE t(a INT NOT NULL, b)");
}
