//! What is refused, each time with nothing changed.

use super::support::Database;
use crate::error::ErrorKind;
use crate::schema::rebuild::{Place, TableChanges};

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT, d TEXT, CONSTRAINT c CHECK (b > 0), UNIQUE (a, b));
    INSERT INTO t(a, b) VALUES ('x', 1), (NULL, 2);
    CREATE INDEX i ON t(d); CREATE TABLE k(x REFERENCES t(id) ON DELETE CASCADE); INSERT INTO k VALUES (1);";

#[track_caller]
fn refused(text: &str, change: impl FnOnce(&mut TableChanges)) {
    Database::new(TABLE).refuses("t", text, change);
}

#[test]
fn what_is_no_table_is_refused() {
    let database = Database::new(
        "CREATE VIEW v AS SELECT 1 AS a; CREATE VIRTUAL TABLE f USING fts5(a);
         CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE h(a); CREATE TEMP TABLE h(a);",
    );
    for (table, text) in [
        ("v", "it is a view"),
        ("f", "it is a virtual table"),
        ("f_data", "it belongs to a virtual table"),
        ("sqlite_sequence", "it is SQLite's own"),
        ("sqlite_schema", "it is SQLite's own"),
        ("nothing", "there is no such table"),
        ("h", "a temporary table or view of the same name hides it"),
    ] {
        database.refuses(table, text, |t| {
            t.set_default("a", "1");
        });
    }
}

#[test]
fn foreign_keys_that_are_on_are_refused_with_the_tables_in_danger() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(TABLE).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON; BEGIN").unwrap();
    let database = Database(connection);
    database.refuses("t", "rows of k (CASCADE) refer to it", |t| {
        t.set_default("d", "1");
    });
}

#[test]
fn names_that_are_not_there_are_refused() {
    refused("it has no column `z`", |t| {
        t.set_type("z", "INT");
    });
    refused("its columns: id, a, b, d", |t| {
        t.set_not_null("z");
    });
    refused("it has no constraint `z`", |t| {
        t.drop_constraint("z");
    });
    refused("column `a` has no default", |t| {
        t.drop_default("a");
    });
    refused("column `a` has no `NOT NULL`", |t| {
        t.drop_not_null("a");
    });
    refused("it has no foreign key of (a)", |t| {
        t.drop_foreign_key(&["a"]);
    });
    refused("it has no column `z`", |t| t.add_column("y").at(Place::after("z")));
    refused("it will have no column `z` to fill", |t| {
        t.copy_expr("z", "1");
    });
    refused("no such column", |t| {
        t.rename_column("z", "y");
    });
    refused("it has no column `z`", |t| {
        t.add_foreign_key(&["z"], "k", &[]);
    });
    refused("no change was asked for", |_| {});
}

#[test]
fn a_piece_of_sql_that_is_more_than_a_piece_is_refused() {
    refused("an expression is not one", |t| {
        t.set_default("a", "1); DROP TABLE k; --");
    });
    refused("an expression is not one", |t| {
        t.add_check("b > 0) CHECK (1");
    });
    refused("an expression is not one", |t| {
        t.add_check("(b > 0");
    });
    refused("an expression is not one", |t| {
        t.copy_expr("a", "'open");
    });
    refused("an expression is not one", |t| {
        t.copy_expr("a", "?1");
    });
    refused("an expression is not one", |t| {
        t.set_default("a", " -- nothing");
    });
    refused("a type is not one", |t| {
        t.set_type("a", "TEXT NOT NULL");
    });
    refused("its definition is not understood", |t| {
        t.set_type("a", "TEXT, z");
    });
    refused("its definition is not understood", |t| {
        t.add_column("y INT, z INT");
    });
    refused("its definition is not understood", |t| {
        t.add_column("CHECK (1)");
    });
    refused("it already has a column `A`", |t| {
        t.add_column("A INT");
    });
    refused("row value misused", |t| {
        t.copy_expr("a", "1, 2");
    });
    refused("default value of column [a] is not constant", |t| {
        t.set_default("a", "b");
    });
}

#[test]
fn rows_that_a_new_definition_does_not_allow_are_an_error_with_a_hint() {
    for (text, change) in [
        (
            "NOT NULL constraint failed",
            (|t| {
                t.set_not_null("a");
            }) as fn(&mut TableChanges),
        ),
        ("CHECK constraint failed", |t| {
            t.add_check("b > 1");
        }),
        ("NOT NULL constraint failed", |t| {
            t.add_column("z INT NOT NULL");
        }),
        ("UNIQUE constraint failed", |t| {
            t.set_primary_key(&["d"]).copy_expr("d", "1");
        }),
        ("cannot store TEXT value in INT column", |t| {
            t.set_type("a", "INT").make_strict();
        }),
    ] {
        let error = Database::new(TABLE).refuses("t", text, change);
        assert!(
            error.hint().unwrap_or_default().contains("copy_expr"),
            "{text}: {:?}",
            error.hint()
        );
    }
}

#[test]
fn a_row_is_never_left_out_or_replaced_by_a_conflict_clause() {
    for clause in ["IGNORE", "REPLACE", "FAIL", "ROLLBACK"] {
        let database =
            Database::new("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 1), (1, 2), (NULL, 3);");
        let sql = format!("CREATE TABLE t(a NOT NULL ON CONFLICT {clause} DEFAULT 5, b)");
        database.refuses("t", "NOT NULL constraint failed", |t| {
            t.new_sql(sql, &[]);
        });
        let sql = format!("CREATE TABLE t(a UNIQUE ON CONFLICT {clause}, b)");
        database.refuses("t", "UNIQUE constraint failed", |t| {
            t.new_sql(sql, &[]);
        });
    }
}

#[test]
fn a_column_that_something_uses_is_not_dropped() {
    refused("index `i` uses column `d`", |t| {
        t.drop_column("d");
    });
    refused("CONSTRAINT c CHECK (b > 0)", |t| {
        t.drop_column("b");
    });
    refused("UNIQUE (a, b)", |t| {
        t.drop_column("a");
    });
    refused("it points at column `id`", |t| {
        t.drop_column("id");
    });
    let use_it = |sql: &str, text: &str| {
        let database = Database::new(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b UNIQUE); INSERT INTO t(b) VALUES (1);",
        );
        database.run(sql);
        database.refuses("t", text, |t| {
            t.drop_column("b");
        });
    };
    // SQLite would read the quoted names that are left as texts.
    for constraint in ["CHECK (\"b\" <> 'x')", "CHECK ([b] > 0)", "c AS (\"b\" || 1)"] {
        let database = Database::new(&format!(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b UNIQUE, a, {constraint})"
        ));
        database.refuses("t", "column `b` is used by a constraint", |t| {
            t.drop_column("b");
        });
    }
    use_it("CREATE VIEW v AS SELECT b FROM t", "view `v`");
    use_it("CREATE VIEW v AS SELECT \"b\" FROM t", "view `v`");
    use_it("CREATE VIEW u AS SELECT * FROM t; CREATE VIEW v AS SELECT b FROM u", "view `v`");
    use_it("CREATE TEMP VIEW v AS SELECT b FROM t", "view `v`");
    use_it("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT new.b; END", "a trigger on `t`");
    use_it(
        "CREATE TEMP TRIGGER r AFTER DELETE ON main.t BEGIN SELECT old.b; END",
        "a trigger on `t`",
    );
    use_it(
        "CREATE TABLE o(x); CREATE TRIGGER r AFTER UPDATE ON o BEGIN UPDATE t SET b = 1; END",
        "a trigger on `o`",
    );
    use_it(
        "CREATE TABLE o(x); CREATE TRIGGER r AFTER UPDATE ON o BEGIN SELECT \"b\" FROM t; END",
        "a trigger on `o`",
    );
    use_it("CREATE INDEX i ON t(a) WHERE \"b\" > 1", "index `i`");
    use_it("CREATE TABLE o(x REFERENCES t(b))", "it points at column `b`");
    use_it(
        "CREATE VIRTUAL TABLE f USING fts5(b, content='t', content_rowid='id')",
        "full-text table `f`",
    );
}

#[test]
fn a_rename_that_breaks_a_full_text_table_is_refused() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t(a) VALUES ('x');
         CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='id'); INSERT INTO f(f) VALUES ('rebuild');",
    );
    database.refuses("t", "full-text table `f`", |t| {
        t.rename_column("a", "z");
    });
    database.refuses("t", "full-text table `f`", |t| {
        t.rename_column("a", "z").set_default("z", "1");
    });
}

#[test]
fn a_key_that_a_foreign_key_points_at_stays() {
    let sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, CONSTRAINT u UNIQUE (a), d TEXT);
        CREATE TABLE k(x REFERENCES t(a), y REFERENCES t(id), z REFERENCES t);";
    let sql =
        sql.replace(", CONSTRAINT u UNIQUE (a), d TEXT)", ", d TEXT, CONSTRAINT u UNIQUE (a))");
    let database = Database::new(&sql);
    database.refuses("t", "the foreign key of `k` to (a)", |t| {
        t.drop_constraint("u");
    });
    database.refuses("t", "the foreign key of `k` to (id)", |t| {
        t.set_primary_key(&["a"]);
    });
    database.refuses("t", "the foreign key of `k` to (its primary key)", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER UNIQUE, a UNIQUE, d TEXT, PRIMARY KEY (id, a))", &[]);
    });
}

#[test]
fn rowids_that_a_full_text_table_needs_do_not_change() {
    let database = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, n INTEGER); INSERT INTO t VALUES (1, 'x', 9);
         CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='id');",
    );
    database.refuses("t", "full-text table `f` finds its rows by rowid", |t| {
        t.set_primary_key(&["n"]);
    });
    database.refuses("t", "full-text table `f` finds its rows by rowid", |t| {
        t.make_without_rowid();
    });
    database.refuses("t", "full-text table `f` finds its rows by rowid", |t| {
        t.copy_expr("id", "id + 1");
    });
}

#[test]
fn a_new_definition_that_loses_something_is_refused() {
    refused("the values of column `d` would be lost", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)", &[]);
    });
    refused("index `i` uses column `d`", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)", &[]).drop_column("d");
    });
    refused("creating index `i` again failed", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)", &[("a", "a || d")]);
    });
    refused("its definition is not understood", |t| {
        t.new_sql("CREATE TABLE t AS SELECT 1", &[]);
    });
    refused("its definition is not understood", |t| {
        t.new_sql("CREATE VIRTUAL TABLE t USING fts5(a)", &[]);
    });
    refused("its definition is not understood", |t| {
        t.new_sql("CREATE TABLE t(a, b, c, d); DROP TABLE k", &[]);
    });
    refused("the new definition names `u`", |t| {
        t.new_sql("CREATE TABLE u(id INTEGER PRIMARY KEY, a, b, d)", &[]);
    });
    refused("no other change can edit it", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, d)", &[]).set_default("a", "1");
    });
    refused("is filled twice", |t| {
        t.new_sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, d)", &[("a", "1"), ("A", "2")]);
    });
}

#[test]
fn a_foreign_key_that_two_answer_to_is_refused() {
    let database = Database::new(
        "CREATE TABLE p(id INTEGER PRIMARY KEY);
         CREATE TABLE t(a REFERENCES p REFERENCES p(id), b REFERENCES p NOT NULL DEFERRABLE INITIALLY DEFERRED, UNIQUE (a) CONSTRAINT n UNIQUE (b), CONSTRAINT n CHECK (a));",
    );
    database.refuses("t", "2 foreign keys are of (a)", |t| {
        t.drop_foreign_key(&["a"]);
    });
    database.refuses("t", "stands apart from its `REFERENCES`", |t| {
        t.drop_foreign_key(&["b"]);
    });
    database.refuses("t", "2 of its constraints are named `n`", |t| {
        t.drop_constraint("n");
    });
}

#[test]
fn a_statement_that_still_reads_the_table_is_said_to_be_in_the_way() {
    let database = Database::new(TABLE);
    let mut statement = database.0.prepare("SELECT * FROM t").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    let error = database.refuses("t", "locked", |t| {
        t.set_default("a", "1");
    });
    assert_eq!(error.kind(), ErrorKind::Busy);
}

#[test]
fn a_database_that_is_full_is_left_as_it_was() {
    let database = Database::new(TABLE);
    database.run(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500)
         INSERT INTO t(a, d) SELECT x, hex(randomblob(200)) FROM n",
    );
    let n_pages = database.text("PRAGMA page_count").parse::<u32>().unwrap();
    database.run(&format!("PRAGMA max_page_count = {}", n_pages + 10));
    let error = database.refuses("t", "full", |t| {
        t.set_default("a", "1");
    });
    assert_eq!(error.kind(), ErrorKind::DiskFull);
    database.run(&format!("PRAGMA max_page_count = {}", n_pages * 4));
    database.change("t", |t| {
        t.set_default("a", "1");
    });
}
