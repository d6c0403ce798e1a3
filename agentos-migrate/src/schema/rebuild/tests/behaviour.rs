//! What changes mean for rows, keys and neighbours.

use super::support::Database;
use crate::schema::rebuild::{ForeignKeyAction, RebuildPath};

#[test]
fn a_new_type_stores_values_by_its_affinity() {
    let database =
        Database::new("CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('007'), ('x'), (NULL);");
    database.change("t", |t| {
        t.set_type("a", "INTEGER");
    });
    assert_eq!(database.text("SELECT typeof(a), a FROM t"), "integer|7\ntext|x\nnull|NULL");
}

#[test]
fn an_expression_sees_the_row_as_it_was() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'x', NULL), (2, NULL, 'y');",
    );
    database.change("t", |t| {
        t.copy_expr("a", "b").copy_expr("b", "coalesce(a, 'none') -- the old a").set_not_null("b");
        t.add_column("c TEXT NOT NULL");
        t.copy_expr("c", "(SELECT count(*) FROM t) || id");
    });
    assert_eq!(database.text("SELECT * FROM t"), "1|NULL|x|21\n2|y|none|22");
}

#[test]
fn existing_rows_get_the_default_of_a_new_column() {
    let database = Database::new("CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1);");
    database.change("t", |t| {
        t.add_column("b TEXT NOT NULL DEFAULT (upper('n'))");
    });
    assert_eq!(database.text("SELECT * FROM t"), "1|N");
}

#[test]
fn values_of_a_dropped_column_go_and_others_stay() {
    let database = Database::new("CREATE TABLE t(a UNIQUE, b, c); INSERT INTO t VALUES (1, 2, 3);");
    let report = database.change("t", |t| {
        t.drop_column("a");
    });
    assert_eq!(report.path, RebuildPath::Rebuild);
    assert_eq!(database.text("SELECT * FROM t"), "2|3");
}

#[test]
fn a_primary_key_moves_and_the_note_says_that_rowids_do() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER); INSERT INTO t VALUES (1, 10), (2, 5);",
    );
    let report = database.change("t", |t| {
        t.set_primary_key(&["n"]);
    });
    assert_eq!(database.text("SELECT rowid, * FROM t"), "5|2|5\n10|1|10");
    assert_eq!(report.notes, ["the rowids of `t` are not those of before"]);
    assert_eq!(database.text("SELECT count(*) FROM sqlite_sequence"), "0");
}

#[test]
fn a_key_that_gives_up_the_rowid_leaves_it_as_it_was() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (10, 'x'), (20, 'y');",
    );
    let report = database.change("t", |t| {
        t.set_primary_key(&["a"]);
    });
    assert_eq!(database.text("SELECT rowid, * FROM t"), "10|10|x\n20|20|y");
    assert_eq!(report.notes, [""; 0]);
}

#[test]
fn a_table_loses_and_gains_its_rowid() {
    let database = Database::new(
        "CREATE TABLE t(a TEXT PRIMARY KEY NOT NULL, b); INSERT INTO t VALUES ('z', 1), ('y', 2);",
    );
    database.change("t", |t| {
        t.make_without_rowid();
    });
    assert_eq!(database.text("SELECT wr FROM pragma_table_list('t')"), "1");
    assert_eq!(database.text("SELECT * FROM t"), "y|2\nz|1");
    database.change("t", |t| {
        t.make_with_rowid();
    });
    assert_eq!(database.text("SELECT rowid, * FROM t"), "1|y|2\n2|z|1");
}

#[test]
fn a_foreign_key_that_is_added_is_enforced_after() {
    let database = Database::new(
        "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE t(a, b); INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 2);",
    );
    database.change("t", |t| {
        t.add_foreign_key(&["a"], "p", &["id"]).on_delete(ForeignKeyAction::Cascade);
    });
    database.run("COMMIT; PRAGMA foreign_keys = ON; DELETE FROM p");
    assert_eq!(database.text("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_whole_new_definition_keeps_indexes_triggers_and_mapped_values() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, old, gone); INSERT INTO t VALUES (1, 'Ada L', 5, 0);
         CREATE INDEX i ON t(name); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT new.name; END;",
    );
    let report = database.change("t", |t| {
        t.new_sql(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, first TEXT AS (substr(name, 1, 3)), renamed INT NOT NULL) STRICT;",
            &[("renamed", "old * 2")],
        )
        .drop_column("gone");
    });
    assert_eq!(database.text("SELECT * FROM t"), "1|Ada L|Ada|10");
    assert_eq!(report.recreated, ["index `i`", "trigger `r`"]);
    assert_eq!(report.statements.len(), 6);
}

#[test]
fn a_generated_column_becomes_an_ordinary_one_with_its_values() {
    let database = Database::new("CREATE TABLE t(a, b AS (a * 2)); INSERT INTO t VALUES (1), (2);");
    database.change("t", |t| {
        t.new_sql("CREATE TABLE t(a, b)", &[]);
    });
    assert_eq!(database.text("SELECT * FROM t"), "1|2\n2|4");
}

#[test]
fn new_values_of_a_full_text_table_s_content_are_noted() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t(a) VALUES ('x');
         CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='id'); INSERT INTO f(f) VALUES ('rebuild');",
    );
    let report = database.change("t", |t| {
        t.copy_expr("a", "a || ' new'");
    });
    assert!(
        report.notes[0].contains("INSERT INTO \"f\"(\"f\") VALUES ('rebuild')"),
        "{:?}",
        report.notes
    );
    database.run("INSERT INTO \"f\"(\"f\") VALUES ('rebuild')");
    assert_eq!(database.text("SELECT rowid FROM f WHERE f MATCH 'new'"), "1");
}

#[test]
fn a_change_can_be_rolled_back_and_done_again() {
    let database = Database::new("CREATE TABLE t(a, d TEXT); INSERT INTO t VALUES (1, 2);");
    let before = database.everything();
    database.run("SAVEPOINT s");
    database.change("t", |t| {
        t.set_default("d", "1").set_not_null("a");
    });
    database.run("ROLLBACK TO s");
    assert_eq!(database.everything(), before);
    database.change("t", |t| {
        t.set_default("d", "1").set_not_null("a");
    });
    database.change("t", |t| {
        t.set_default("d", "2");
    });
    database.has_sql("t", "CREATE TABLE t(a NOT NULL, d TEXT DEFAULT 2)");
}

#[test]
fn rows_that_violated_a_foreign_key_before_do_so_after_and_no_others() {
    let database = Database::new(
        "PRAGMA foreign_keys = OFF; CREATE TABLE p(id INTEGER PRIMARY KEY, d TEXT); CREATE TABLE k(x REFERENCES p);
         INSERT INTO p(id) VALUES (1); INSERT INTO k VALUES (1), (99);",
    );
    let before = database.text("PRAGMA foreign_key_check");
    database.change("p", |t| {
        t.set_default("d", "1");
    });
    database.change("k", |t| {
        t.set_not_null("x").set_type("x", "INTEGER");
    });
    assert_eq!(database.text("PRAGMA foreign_key_check"), before);
}

#[test]
fn columns_that_an_old_alter_added_keep_the_values_that_rows_do_not_store() {
    let database = Database::new(
        "CREATE TABLE t(a); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN d TEXT DEFAULT 'old';",
    );
    database.change("t", |t| {
        t.set_default("d", "'new'");
    });
    database.run("INSERT INTO t(a) VALUES (2)");
    assert_eq!(database.text("SELECT * FROM t"), "1|old\n2|new");
}

#[test]
fn rowids_that_no_name_reaches_keep_their_order() {
    // Without the wide column SQLite would rather read the index, in its order.
    let database = Database::new(
        "CREATE TABLE t(rowid, _rowid_, oid, wide TEXT, wider TEXT, widest TEXT, d UNIQUE); CREATE INDEX i ON t(rowid, _rowid_, oid);
         INSERT INTO t(rowid) VALUES (3), (1), (2);",
    );
    database.change("t", |t| {
        t.drop_column("wide").drop_column("wider").drop_column("widest").drop_column("d");
    });
    assert_eq!(database.text("SELECT rowid FROM t NOT INDEXED"), "3\n1\n2");
}

#[test]
fn statistics_of_an_index_that_is_another_one_now_are_dropped() {
    let database = Database::new(
        "CREATE TABLE t(a, b, CONSTRAINT u UNIQUE (a), UNIQUE (b)); CREATE INDEX i ON t(b, a);
         INSERT INTO t VALUES (1, 2), (3, 4); ANALYZE;",
    );
    database.change("t", |t| {
        t.drop_constraint("u");
    });
    assert_eq!(database.text("SELECT idx FROM sqlite_stat1"), "i");
    assert_eq!(database.text("SELECT DISTINCT idx FROM sqlite_stat4"), "i");
}

#[test]
fn the_planner_knows_the_statistics_at_once() {
    // Of two indexes one is better; nothing but the statistics tells which.
    for (few, many) in [("a", "b"), ("b", "a")] {
        let database = Database::new(&format!(
            "CREATE TABLE t(a, b, d TEXT); CREATE INDEX by_a ON t(a); CREATE INDEX by_b ON t(b);
             WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 400)
             INSERT INTO t({few}, {many}) SELECT x % 2, x FROM n; ANALYZE;"
        ));
        database.change("t", |t| {
            t.set_default("d", "7");
        });
        let plan = database.text("EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1 AND b = 1");
        assert!(plan.contains(&format!("by_{many}")), "{plan}");
    }
}

#[test]
fn pragmas_of_the_connection_neither_matter_nor_change() {
    let database = Database::new(
        "CREATE TABLE t(a INT, d TEXT); INSERT INTO t VALUES (1, 2); CREATE VIEW v AS SELECT a FROM t;",
    );
    database.run("PRAGMA ignore_check_constraints = ON; PRAGMA legacy_alter_table = ON; PRAGMA recursive_triggers = ON");
    let refused = database.try_change("t", |t| {
        t.add_check("a > 1").set_default("d", "1");
    });
    assert!(refused.unwrap_err().details()[0].contains("CHECK constraint failed"));
    database.change("t", |t| {
        t.rename_column("a", "z").set_default("d", "1");
    });
    assert_eq!(database.text("SELECT z FROM t"), "1");
    database.has_sql("v", "CREATE VIEW v AS SELECT z FROM t");
    for pragma in ["ignore_check_constraints", "legacy_alter_table", "recursive_triggers"] {
        assert_eq!(database.text(&format!("PRAGMA {pragma}")), "1", "{pragma}");
    }
}
