//! Each change as an edit of the stored text: what it writes, and that the rest keeps its bytes.
//!
//! These are the known answers of `RebuildApi::V1`: released migrations count on every byte. What
//! has to be written in another way is a new version with a chapter of its own; no answer here changes.

use super::support::{BEFORE_NATIVE_CONSTRAINTS, Database, changes};
use crate::schema::rebuild::edit::edited;
use crate::schema::rebuild::{ForeignKeyAction, Place, TableChanges};

const TABLE: &str = "CREATE TABLE t(
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- the key
  a TEXT NOT NULL DEFAULT 'x' COLLATE NOCASE, /* a, with ) */
  b INT CONSTRAINT known NULL,
  c REFERENCES p(id) ON DELETE CASCADE,
  CONSTRAINT small CHECK (b < 10), -- small
  CONSTRAINT pair UNIQUE (a, b),
  FOREIGN KEY (b) REFERENCES p
)";

/// Checks the text that a change makes of `before`, then that SQLite makes it of a real table.
#[track_caller]
fn check(before: &str, change: impl Fn(&mut TableChanges), after: &str) {
    assert_eq!(edited("t", before, changes(&change).changes()).unwrap(), after);
    let database = Database::new("CREATE TABLE p(id INTEGER PRIMARY KEY, x, y, UNIQUE (x, y));");
    database.run(before);
    database.run("INSERT INTO t DEFAULT VALUES");
    database.try_change_as_of(BEFORE_NATIVE_CONSTRAINTS, "t", change).unwrap();
    database.has_sql("t", after);
    assert_eq!(database.text("SELECT count(*) FROM t"), "1");
}

/// Checks that a change of [`TABLE`] replaces one piece of text.
#[track_caller]
fn replaces(change: impl Fn(&mut TableChanges), from: &str, to: &str) {
    assert_eq!(TABLE.matches(from).count(), 1, "{from}");
    check(TABLE, change, &TABLE.replacen(from, to, 1));
}

#[test]
fn a_type_is_replaced_added_or_removed() {
    replaces(
        |t| {
            t.set_type("A", "VARCHAR(20)");
        },
        "a TEXT",
        "a VARCHAR(20)",
    );
    replaces(
        |t| {
            t.set_type("c", "INTEGER");
        },
        "c REFERENCES",
        "c INTEGER REFERENCES",
    );
    replaces(
        |t| {
            t.set_type("b", "");
        },
        "b INT CONSTRAINT",
        "b CONSTRAINT",
    );
}

#[test]
fn a_default_is_replaced_added_or_removed() {
    replaces(
        |t| {
            t.set_default("a", "'it''s'");
        },
        "DEFAULT 'x'",
        "DEFAULT 'it''s'",
    );
    replaces(
        |t| {
            t.set_default("b", "-1");
        },
        "known NULL",
        "known NULL DEFAULT -1",
    );
    replaces(
        |t| {
            t.set_default("b", "1 + 1");
        },
        "known NULL",
        "known NULL DEFAULT (1 + 1)",
    );
    replaces(
        |t| {
            t.set_default("b", "(1) + (1)");
        },
        "known NULL",
        "known NULL DEFAULT ((1) + (1))",
    );
    replaces(
        |t| {
            t.set_default("b", "(1 + 1) -- two");
        },
        "known NULL",
        "known NULL DEFAULT (1 + 1)",
    );
    replaces(
        |t| {
            t.set_default("b", "current_timestamp");
        },
        "known NULL",
        "known NULL DEFAULT current_timestamp",
    );
    check(
        "CREATE TABLE t(a DEFAULT('x')NOT NULL, b)",
        |t| {
            t.set_default("a", "5");
        },
        "CREATE TABLE t(a DEFAULT 5 NOT NULL, b)",
    );
    check(
        "CREATE TABLE t(a DEFAULT('x')UNIQUE, b)",
        |t| {
            t.drop_default("a");
        },
        "CREATE TABLE t(a UNIQUE, b)",
    );
}

#[test]
fn not_null_is_added_replaces_null_and_goes() {
    replaces(
        |t| {
            t.set_not_null("b").copy_expr("b", "1");
        },
        "known NULL",
        "known NOT NULL",
    );
    replaces(
        |t| {
            t.drop_not_null("a");
        },
        "TEXT NOT NULL",
        "TEXT",
    );
    replaces(
        |t| {
            t.set_not_null("a").set_default("a", "2");
        },
        "'x'",
        "2",
    );
    check(
        "CREATE TABLE t(a INT, b CONSTRAINT n NOT NULL ON CONFLICT IGNORE DEFAULT 1)",
        |t| {
            t.drop_not_null("b");
        },
        "CREATE TABLE t(a INT, b DEFAULT 1)",
    );
}

#[test]
fn a_collation_is_replaced_or_added() {
    replaces(
        |t| {
            t.set_collation("a", "RTRIM");
        },
        "COLLATE NOCASE",
        "COLLATE \"RTRIM\"",
    );
    replaces(
        |t| {
            t.set_collation("b", "NOCASE");
        },
        "known NULL",
        "known NULL COLLATE \"NOCASE\"",
    );
}

#[test]
fn a_check_is_added_after_everything() {
    replaces(
        |t| {
            t.add_named_check("long", "length(a) < 9 -- short");
        },
        "(b) REFERENCES p\n",
        "(b) REFERENCES p,\n  CONSTRAINT \"long\" CHECK (length(a) < 9)\n",
    );
    check(
        "CREATE TABLE t(a -- last\n)",
        |t| {
            t.add_check("a");
        },
        "CREATE TABLE t(a, CHECK (a) -- last\n)",
    );
}

#[test]
fn a_constraint_is_dropped_by_name() {
    replaces(
        |t| {
            t.drop_constraint("SMALL");
        },
        ",\n  CONSTRAINT small CHECK (b < 10)",
        "",
    );
    replaces(
        |t| {
            t.drop_constraint("pair");
        },
        ", -- small\n  CONSTRAINT pair UNIQUE (a, b)",
        " -- small\n  ",
    );
    replaces(
        |t| {
            t.drop_constraint("known");
        },
        "INT CONSTRAINT known NULL",
        "INT",
    );
    check(
        "CREATE TABLE t(a, b, UNIQUE (a) CONSTRAINT c CHECK (b) UNIQUE (b))",
        |t| {
            t.drop_constraint("c");
        },
        "CREATE TABLE t(a, b, UNIQUE (a) UNIQUE (b))",
    );
    check(
        "CREATE TABLE t(a, b, CONSTRAINT c CHECK (b) UNIQUE (b))",
        |t| {
            t.drop_constraint("c");
        },
        "CREATE TABLE t(a, b, UNIQUE (b))",
    );
}

#[test]
fn a_column_is_added_at_its_place() {
    replaces(|t| t.add_column("z INT").at(Place::First), "t(\n  id", "t(\n  z INT,\n  id");
    replaces(
        |t| t.add_column("z INT DEFAULT (1+1)").at(Place::after("A")),
        "NOCASE,",
        "NOCASE, z INT DEFAULT (1+1),",
    );
    replaces(
        |t| {
            t.add_column("z -- last\n");
        },
        "CASCADE,",
        "CASCADE,\n  z,",
    );
    check(
        "CREATE TABLE t(a -- last\n)",
        |t| {
            t.add_column("b UNIQUE");
        },
        "CREATE TABLE t(a, b UNIQUE -- last\n)",
    );
    check(
        "CREATE TABLE t(/* first */ a)",
        |t| t.add_column("b UNIQUE").at(Place::First),
        "CREATE TABLE t(/* first */ b UNIQUE, a)",
    );
}

#[test]
fn a_column_is_dropped_and_comments_stay() {
    replaces(
        |t| {
            t.drop_column("c");
        },
        ",\n  c REFERENCES p(id) ON DELETE CASCADE",
        "",
    );
    check(
        "CREATE TABLE t(a, -- first\n b, -- second\n c)",
        |t| {
            t.drop_column("a");
        },
        "CREATE TABLE t(-- first\n b, -- second\n c)",
    );
    check(
        "CREATE TABLE t(a, -- first\n b -- second\n, c)",
        |t| {
            t.drop_column("b");
        },
        "CREATE TABLE t(a -- first\n  -- second\n, c)",
    );
    check(
        "CREATE TABLE t(a -- first\n, b)",
        |t| {
            t.drop_column("a");
        },
        "CREATE TABLE t( -- first\nb)",
    );
}

#[test]
fn a_primary_key_moves_with_its_conflict_clause() {
    check(
        "CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a, b)",
        |t| {
            t.set_primary_key(&["a", "b"]);
        },
        "CREATE TABLE t(id INTEGER, a, b, PRIMARY KEY (\"a\", \"b\") ON CONFLICT REPLACE)",
    );
    check(
        "CREATE TABLE t(a, b, PRIMARY KEY (a), CHECK (1))",
        |t| {
            t.set_primary_key(&["b"]);
        },
        "CREATE TABLE t(a, b, CHECK (1), PRIMARY KEY (\"b\"))",
    );
    check(
        "CREATE TABLE t(a, b)",
        |t| {
            t.set_primary_key(&["b"]);
        },
        "CREATE TABLE t(a, b, PRIMARY KEY (\"b\"))",
    );
    check(
        "CREATE TABLE t(a PRIMARY KEY DESC, b)",
        |t| {
            t.set_primary_key(&["A"]).set_default("b", "1");
        },
        "CREATE TABLE t(a PRIMARY KEY DESC, b DEFAULT 1)",
    );
}

#[test]
fn foreign_keys_are_added_and_dropped() {
    replaces(
        |t| {
            t.add_foreign_key(&["a", "b"], "p", &["x", "y"])
                .named("both")
                .deferred()
                .on_update(ForeignKeyAction::SetNull)
                .on_delete(ForeignKeyAction::Cascade);
        },
        "(b) REFERENCES p\n",
        "(b) REFERENCES p,\n  CONSTRAINT \"both\" FOREIGN KEY (\"a\", \"b\") REFERENCES \"p\" (\"x\", \"y\") \
         ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED\n",
    );
    replaces(
        |t| {
            t.drop_foreign_key(&["C"]);
        },
        "c REFERENCES p(id) ON DELETE CASCADE",
        "c",
    );
    replaces(
        |t| {
            t.drop_foreign_key(&["b"]);
        },
        ",\n  FOREIGN KEY (b) REFERENCES p",
        "",
    );
}

#[test]
fn options_come_and_go() {
    const PLAIN: &str = "CREATE TABLE t(a INT PRIMARY KEY DEFAULT 1, b INT) -- end";
    let with = |options: &str| PLAIN.replace(" -- end", options);
    check(
        &with(""),
        |t| {
            t.make_strict();
        },
        &with(" STRICT"),
    );
    check(
        &with(""),
        |t| {
            t.make_strict().make_without_rowid();
        },
        &with(" STRICT, WITHOUT ROWID"),
    );
    check(
        &with(" WITHOUT ROWID"),
        |t| {
            t.make_strict();
        },
        &with(" WITHOUT ROWID, STRICT"),
    );
    check(
        &with(" WITHOUT ROWID, STRICT"),
        |t| {
            t.make_not_strict();
        },
        &with(" WITHOUT ROWID"),
    );
    check(
        &with(" WITHOUT ROWID, STRICT"),
        |t| {
            t.make_with_rowid();
        },
        &with(" STRICT"),
    );
    check(
        &with(" strict"),
        |t| {
            t.make_not_strict();
        },
        &with(""),
    );
    check(
        &with(" STRICT"),
        |t| {
            t.make_strict().drop_default("a").copy_expr("a", "5");
        },
        &with(" STRICT").replace(" DEFAULT 1", ""),
    );
}
