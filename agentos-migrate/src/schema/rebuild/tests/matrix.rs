//! The matrix: what a table has, an innocuous change (`d` gets a default), and that it is still there.
//!
//! One row for each feature that some tool of this field loses.

use super::support::Database;
use crate::schema::rebuild::RebuildPath;

/// A table, the SQL that gives it a feature, and questions whose answers stay.
struct Row {
    feature: &'static str,
    sql: &'static str,
    same: &'static [&'static str],
    /// Statements that must still fail.
    fails: &'static [&'static str],
}

#[track_caller]
fn check(row: &Row) {
    let database = Database::new(row.sql);
    let indexes =
        "SELECT name, tbl_name FROM sqlite_schema WHERE type <> 'table' ORDER BY type, name";
    let ask = || -> Vec<String> {
        let always = [indexes, "SELECT * FROM t", "SELECT count(*) FROM t"];
        always.iter().chain(row.same).map(|sql| database.text(sql)).collect()
    };
    let before = ask();
    let stored = database.sql("t");
    let report = database.change("t", |t| {
        t.set_default("d", "7");
    });
    assert_eq!(report.path, RebuildPath::Rebuild, "{}", row.feature);
    assert_eq!(ask(), before, "{}", row.feature);
    let expected = stored.replacen(" d TEXT", " d TEXT DEFAULT 7", 1);
    assert_ne!(expected, stored);
    database.has_sql("t", &expected);
    for sql in row.fails {
        assert!(database.0.execute_batch(sql).is_err(), "{}: {sql} succeeded", row.feature);
    }
    assert_eq!(database.text("PRAGMA integrity_check"), "ok", "{}", row.feature);
    assert_eq!(database.text("PRAGMA foreign_key_check"), "", "{}", row.feature);
    assert_eq!(database.text("PRAGMA legacy_alter_table"), "0");
}

macro_rules! rows {
    ($($name:ident: $sql:expr, same [$($same:expr),*], fails [$($fails:expr),*];)*) => {
        $(#[test]
        fn $name() {
            check(&Row {
                feature: stringify!($name),
                sql: $sql,
                same: &[$($same),*],
                fails: &[$($fails),*],
            });
        })*
    };
}

const COLUMNS: &str = "SELECT * FROM pragma_table_xinfo('t') WHERE name <> 'd'";
const LISTED: &str = "SELECT wr, strict, ncol FROM pragma_table_list('t')";
const KEYS: &str = "SELECT * FROM pragma_foreign_key_list('t')";
const INDEXES: &str = "SELECT l.name, l.\"unique\", l.origin, l.partial, x.seqno, x.name, x.\"desc\", x.coll, x.\"key\" \
    FROM pragma_index_list('t') l, pragma_index_xinfo(l.name) x ORDER BY 1, 5";

rows! {
    own_triggers_survive:
        "CREATE TABLE log(x); CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT);
         INSERT INTO t(d) VALUES ('a'), ('b');
         CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.d); END;",
        same ["SELECT sql FROM sqlite_schema WHERE name = 'r'", "SELECT * FROM log"], fails [];
    triggers_of_other_tables_that_mention_it_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); CREATE TABLE o(x);
         CREATE TRIGGER r AFTER INSERT ON o BEGIN INSERT INTO t(d) VALUES (new.x); UPDATE t SET d = d; END;",
        same ["SELECT sql FROM sqlite_schema WHERE name = 'r'"], fails [];
    views_on_it_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); INSERT INTO t(d) VALUES ('a');
         CREATE VIEW v AS SELECT id, d FROM t;",
        same ["SELECT sql FROM sqlite_schema WHERE name = 'v'", "SELECT * FROM v"], fails [];
    views_on_views_on_it_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); INSERT INTO t(d) VALUES ('a');
         CREATE VIEW v AS SELECT id, d FROM t; CREATE VIEW w AS SELECT d || 'x' AS e FROM v;
         CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t(d) VALUES (new.d); END;",
        same ["SELECT * FROM w"], fails [];
    a_plain_index_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT); CREATE INDEX i ON t(a, d);",
        same [INDEXES], fails [];
    a_partial_index_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT); INSERT INTO t(a) VALUES (1);
         CREATE UNIQUE INDEX i ON t(a) WHERE a > 0;",
        same [INDEXES], fails ["INSERT INTO t(a) VALUES (1)"];
    an_expression_index_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT); INSERT INTO t(a) VALUES ('A');
         CREATE UNIQUE INDEX i ON t(lower(a), a || 'x');",
        same [INDEXES], fails ["INSERT INTO t(a) VALUES ('A')"];
    an_index_with_collation_and_order_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT); CREATE INDEX i ON t(a COLLATE NOCASE DESC, d ASC);",
        same [INDEXES], fails [];
    a_column_s_collation_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, d TEXT); INSERT INTO t(a) VALUES ('A');",
        same [INDEXES, "SELECT a = 'a' FROM t"], fails ["INSERT INTO t(a) VALUES ('a')"];
    the_autoincrement_mark_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, d TEXT);
         INSERT INTO t(id, d) VALUES (1, 'a'), (500, 'b'); DELETE FROM t WHERE id = 500;",
        same ["SELECT * FROM sqlite_sequence"], fails [];
    the_autoincrement_mark_of_an_empty_table_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, d TEXT);
         INSERT INTO t(id) VALUES (77); DELETE FROM t;",
        same ["SELECT * FROM sqlite_sequence"], fails [];
    a_virtual_generated_column_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL, d TEXT);
         INSERT INTO t(a) VALUES (1), (2);",
        same [COLUMNS], fails ["INSERT INTO t(b) VALUES (1)"];
    a_stored_generated_column_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT AS (a * 2) STORED UNIQUE, d TEXT);
         INSERT INTO t(a) VALUES (1), (2);",
        same [COLUMNS, INDEXES], fails ["INSERT INTO t(a) VALUES (1)"];
    strict_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, d TEXT) STRICT; INSERT INTO t(a) VALUES (1);",
        same [LISTED], fails ["INSERT INTO t(a) VALUES ('x')"];
    the_type_any_of_a_strict_table_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a ANY, d TEXT) STRICT;
         INSERT INTO t(a) VALUES ('007'), (7), (x'07'), (NULL), (1e3);",
        same [LISTED, "SELECT typeof(a), a FROM t"], fails [];
    without_rowid_survives:
        "CREATE TABLE t(a TEXT, b TEXT, d TEXT, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
         INSERT INTO t(a, b) VALUES ('x', 'y'), ('z', 'a');",
        same [LISTED, COLUMNS, INDEXES], fails ["SELECT rowid FROM t", "INSERT INTO t(a) VALUES ('q')"];
    a_named_check_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, d TEXT, CONSTRAINT positive CHECK (a > 0));",
        same [], fails ["INSERT INTO t(a) VALUES (0)"];
    an_unnamed_check_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, d TEXT, CHECK (a > 0 AND (d IS NULL OR d <> ',')));",
        same [], fails ["INSERT INTO t(a) VALUES (0)", "INSERT INTO t(a, d) VALUES (1, ',')"];
    a_column_s_check_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT CHECK (a > 0), d TEXT);",
        same [], fails ["INSERT INTO t(a) VALUES (0)"];
    unique_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b UNIQUE, d TEXT, UNIQUE (a, b)); INSERT INTO t(a, b) VALUES (1, 2);",
        same [INDEXES], fails ["INSERT INTO t(b) VALUES (2)"];
    unique_on_conflict_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE ON CONFLICT IGNORE, d TEXT, UNIQUE (d) ON CONFLICT REPLACE);
         INSERT INTO t(a, d) VALUES (1, 2);",
        same [INDEXES], fails [];
    not_null_on_conflict_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL ON CONFLICT IGNORE, d TEXT); INSERT INTO t(a) VALUES (1);",
        same [COLUMNS], fails [];
    an_expression_default_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT (1+1), d TEXT); INSERT INTO t(d) VALUES ('x');",
        same [COLUMNS], fails [];
    a_blob_default_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT x'ab', d TEXT); INSERT INTO t(d) VALUES ('x');",
        same [COLUMNS], fails [];
    a_time_default_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT CURRENT_TIMESTAMP, d TEXT); INSERT INTO t(d) VALUES ('x');",
        same [COLUMNS], fails [];
    a_function_default_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT (strftime('%Y-%m', 'now')), d TEXT); INSERT INTO t(d) VALUES ('x');",
        same [COLUMNS], fails [];
    a_text_default_with_a_quote_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT 'it''s', d TEXT); INSERT INTO t(d) VALUES ('x');",
        same [COLUMNS], fails [];
    a_column_s_foreign_key_actions_survive:
        "CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
         CREATE TABLE t(id INTEGER PRIMARY KEY, a REFERENCES p ON DELETE CASCADE ON UPDATE SET NULL, d TEXT);
         INSERT INTO t(a) VALUES (1);",
        same [KEYS], fails [];
    a_table_s_foreign_key_actions_survive:
        "CREATE TABLE p(a, b, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 2);
         CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, d TEXT,
             FOREIGN KEY (a, b) REFERENCES p(a, b) ON DELETE SET DEFAULT ON UPDATE RESTRICT);
         INSERT INTO t(a, b) VALUES (1, 2);",
        same [KEYS], fails [];
    a_column_s_deferrable_foreign_key_survives:
        "CREATE TABLE p(id INTEGER PRIMARY KEY);
         CREATE TABLE t(id INTEGER PRIMARY KEY, a REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED, d TEXT);",
        same [KEYS], fails [];
    a_table_s_deferrable_foreign_key_survives:
        "CREATE TABLE p(id INTEGER PRIMARY KEY);
         CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT,
             FOREIGN KEY (a) REFERENCES p(id) MATCH FULL NOT DEFERRABLE INITIALLY DEFERRED);",
        same [KEYS], fails [];
    rowids_without_a_primary_key_survive:
        "CREATE TABLE t(a, d TEXT); INSERT INTO t(rowid, a) VALUES (10, 'x'), (-3, 'y'), (9223372036854775807, 'z');",
        same ["SELECT rowid, a FROM t"], fails [];
    rowids_survive_columns_of_their_name:
        "CREATE TABLE t(rowid TEXT, _rowid_ TEXT, d TEXT); INSERT INTO t(oid, rowid) VALUES (10, 'x'), (3, 'y');",
        same ["SELECT oid, rowid FROM t"], fails [];
    a_declared_type_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a VARCHAR(20), b DECIMAL(10, 2), c UNSIGNED BIG INT, e \"my type\", d TEXT);
         INSERT INTO t(a, b, c) VALUES ('007', '1.50', '9');",
        same [COLUMNS, "SELECT typeof(a), typeof(b), typeof(c) FROM t"], fails [];
    comments_survive:
        "CREATE TABLE t( -- the table, (really)\n id INTEGER PRIMARY KEY, /* a, b */ a INT -- last ) one\n, d TEXT -- d\n);",
        same [], fails [];
    external_content_full_text_with_sync_triggers_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, d TEXT);
         CREATE VIRTUAL TABLE f USING fts5(a, d, content='t', content_rowid='id');
         CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO f(rowid, a, d) VALUES (new.id, new.a, new.d); END;
         CREATE TRIGGER td AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, a, d) VALUES ('delete', old.id, old.a, old.d); END;
         INSERT INTO t(a, d) VALUES ('one two', 'three'), ('four', 'five');",
        same ["SELECT rowid FROM f WHERE f MATCH 'two'", "SELECT count(*) FROM f_data"], fails [];
    statistics_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, d TEXT, UNIQUE (d)); CREATE INDEX i ON t(a);
         WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) INSERT INTO t(a, d) SELECT x % 7, x FROM n;
         ANALYZE;",
        same ["SELECT * FROM sqlite_stat1 ORDER BY 1, 2", "SELECT tbl, idx, neq, nlt, ndlt, sample FROM sqlite_stat4 ORDER BY rowid"],
        fails [];
    child_rows_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT);
         CREATE TABLE k(a REFERENCES t(id) ON DELETE CASCADE, b REFERENCES t(id) ON DELETE SET NULL);
         INSERT INTO t(id) VALUES (1), (2); INSERT INTO k VALUES (1, 2), (2, 2);",
        same ["SELECT * FROM k", "SELECT * FROM pragma_foreign_key_list('k')", "SELECT sql FROM sqlite_schema WHERE name = 'k'"],
        fails [];
}

// Beyond the matrix.
rows! {
    a_temporary_trigger_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT);
         CREATE TEMP TRIGGER r AFTER INSERT ON main.t BEGIN SELECT 1; END;",
        same ["SELECT name, tbl_name, sql FROM sqlite_temp_schema"], fails [];
    a_temporary_view_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); INSERT INTO t(d) VALUES ('a');
         CREATE TEMP VIEW v AS SELECT d FROM t;
         CREATE TEMP TABLE o(x); CREATE TEMP TRIGGER r AFTER INSERT ON o BEGIN UPDATE t SET d = new.x; END;",
        same ["SELECT name, sql FROM sqlite_temp_schema", "SELECT * FROM v"], fails [];
    several_foreign_keys_to_one_parent_survive:
        "CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);
         CREATE TABLE t(id INTEGER PRIMARY KEY, a REFERENCES p, b REFERENCES p(id) ON DELETE CASCADE, d TEXT,
             FOREIGN KEY (a) REFERENCES p(id) ON UPDATE CASCADE);
         INSERT INTO t(a, b) VALUES (1, 2);",
        same [KEYS], fails [];
    a_reference_to_itself_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, up REFERENCES t(id) ON DELETE CASCADE, d TEXT,
             FOREIGN KEY (up) REFERENCES \"T\"(id));
         INSERT INTO t(up) VALUES (NULL), (1), (2);",
        same [KEYS], fails [];
    a_foreign_key_to_a_missing_parent_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a REFERENCES nowhere(x), d TEXT);", same [KEYS], fails [];
    integer_primary_key_desc_stays_no_rowid:
        "CREATE TABLE t(id INTEGER PRIMARY KEY DESC, d TEXT); INSERT INTO t(rowid, id) VALUES (5, 1), (6, NULL);",
        same ["SELECT rowid, id FROM t", INDEXES], fails [];
    the_order_of_a_primary_key_survives:
        "CREATE TABLE t(a INT, b INT, d TEXT, PRIMARY KEY (b DESC, a COLLATE NOCASE) ON CONFLICT REPLACE);
         INSERT INTO t(a, b) VALUES (1, 2);",
        same [COLUMNS, INDEXES], fails [];
    a_broken_view_stays_as_broken_as_it_was:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); CREATE VIEW v AS SELECT * FROM nowhere;
         CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO nowhere VALUES (1); END;",
        same ["SELECT sql FROM sqlite_schema WHERE name IN ('v', 'r')"], fails [];
    constraints_without_commas_survive:
        "CREATE TABLE t(id INT, a INT, d TEXT, PRIMARY KEY (id) UNIQUE (a) CONSTRAINT c CHECK (a > 0));",
        same [INDEXES], fails ["INSERT INTO t(a) VALUES (-1)"];
    full_text_without_triggers_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, d TEXT); INSERT INTO t(a) VALUES ('one two');
         CREATE VIRTUAL TABLE f USING fts5(a, content=t, content_rowid=id); INSERT INTO f(f) VALUES ('rebuild');",
        same ["SELECT rowid, a FROM f WHERE f MATCH 'two'"], fails [];
    an_older_full_text_table_survives:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, d TEXT); INSERT INTO t(a) VALUES ('one two');
         CREATE VIRTUAL TABLE f USING fts4(content=\"t\", a); INSERT INTO f(f) VALUES ('rebuild');",
        same ["SELECT docid, a FROM f WHERE f MATCH 'two'"], fails [];
    values_of_every_kind_survive:
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b NUMERIC, c BLOB, d TEXT);
         INSERT INTO t(a, b, c) VALUES (1, '1.0', x''), ('', 1e308, x'00ff'), (NULL, -0.0, 'é'), (x'00', 9223372036854775807, 1);",
        same ["SELECT typeof(a), typeof(b), typeof(c), quote(a), quote(b), quote(c) FROM t"], fails [];
}

#[test]
fn a_trigger_fires_after_as_before_and_not_for_the_copy() {
    let database = Database::new(
        "CREATE TABLE log(x); CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); INSERT INTO t(d) VALUES ('a');
         CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.d); END;",
    );
    let report = database.change("t", |t| {
        t.set_default("d", "'n'");
    });
    database.run("INSERT INTO t DEFAULT VALUES");
    assert_eq!(database.text("SELECT * FROM log"), "n");
    assert_eq!(report.recreated, ["trigger `r`"]);
    assert_eq!(report.rows_copied, 1);
}

#[test]
fn triggers_fire_in_the_order_of_before() {
    let sql = "CREATE TABLE log(x); CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT);
         CREATE TRIGGER b AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('b'); END;
         CREATE TRIGGER a AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('a'); END;
         CREATE TRIGGER c AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('c'); END;
         INSERT INTO t(d) VALUES (1);";
    let database = Database::new(sql);
    let before = database.text("SELECT group_concat(x) FROM log");
    database.change("t", |t| {
        t.set_default("d", "7");
    });
    database.run("DELETE FROM log; INSERT INTO t(d) VALUES (1)");
    assert_eq!(database.text("SELECT group_concat(x) FROM log"), before);
}

#[test]
fn an_id_that_was_given_once_is_not_given_again() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, d TEXT); INSERT INTO t(id) VALUES (500); DELETE FROM t;",
    );
    database.change("t", |t| {
        t.set_default("d", "7");
    });
    database.run("INSERT INTO t(d) VALUES ('x')");
    assert_eq!(database.text("SELECT id FROM t"), "501");
}

#[test]
fn statistics_of_another_build_of_sqlite_bring_no_new_table() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT); INSERT INTO t(d) VALUES (1); ANALYZE; DROP TABLE sqlite_stat4;",
    );
    database.change("t", |t| {
        t.set_default("d", "7");
    });
    assert_eq!(database.text("SELECT * FROM sqlite_stat1"), "t|NULL|1");
    assert_eq!(database.text("SELECT count(*) FROM sqlite_schema"), "2");
}

#[test]
fn names_of_every_kind_survive() {
    for name in [
        "my table",
        "order",
        "say \"hi\"",
        "it's",
        "a.b",
        "[x]",
        "Größe",
        "1st",
        "agentos_new_t",
        "`q`",
    ] {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let database = Database::new(&format!(
            "CREATE TABLE {quoted}({quoted} INTEGER PRIMARY KEY, \"group\" TEXT UNIQUE, d TEXT, up REFERENCES {quoted});
             INSERT INTO {quoted}(\"group\") VALUES ('x');
             CREATE INDEX \"index of {}\" ON {quoted}(\"group\", {quoted});
             CREATE TRIGGER \"trigger\" AFTER INSERT ON {quoted} BEGIN UPDATE {quoted} SET \"group\" = 1 WHERE {quoted} = new.{quoted}; END;
             CREATE VIEW \"view\" AS SELECT {quoted} FROM {quoted};",
            name.replace('"', "\"\""),
        ));
        let before = database.text(&format!("SELECT * FROM {quoted}"));
        database.change(&name.to_ascii_uppercase(), |t| {
            t.set_default("D", "7");
        });
        assert_eq!(database.text(&format!("SELECT * FROM {quoted}")), before);
        assert_eq!(
            database.text("SELECT count(*) FROM sqlite_schema WHERE type <> 'table'"),
            "4",
            "{name}"
        );
        database.run(&format!("INSERT INTO {quoted} DEFAULT VALUES"));
    }
}

#[test]
fn a_check_that_is_qualified_by_the_table_s_name_says_the_same_after() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT CHECK (\"T\".a > 0), d TEXT, b AS (a + 1), CHECK (t.d <> 't.d'));
         INSERT INTO t(a, d) VALUES (1, 'x');",
    );
    database.change("t", |t| {
        t.set_default("d", "7");
    });
    database.has_sql(
        "t",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT CHECK (a > 0), d TEXT DEFAULT 7, b AS (a + 1), CHECK (d <> 't.d'))",
    );
    assert!(database.0.execute_batch("INSERT INTO t(a) VALUES (0)").is_err());
}

#[test]
fn a_table_made_from_a_select_can_be_changed() {
    let database = Database::new(
        "CREATE TABLE s(a INT, b TEXT); CREATE TABLE t AS SELECT a, b AS d, a + 1 FROM s;",
    );
    database.change("t", |t| {
        t.set_default("d", "7");
    });
    database.has_sql("t", "CREATE TABLE t(a INT, d TEXT DEFAULT 7, \"a + 1\")");
}
