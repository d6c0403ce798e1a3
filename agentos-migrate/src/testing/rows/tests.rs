use proptest::prelude::*;
use rusqlite::Connection;

use super::{Unfilled, Wildness, fill};

fn database(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().expect("opens");
    connection.execute_batch(sql).expect("a schema");
    connection
}

fn filled(sql: &str) -> (Connection, Vec<Unfilled>) {
    let connection = database(sql);
    let unfilled = fill(&connection, "schema_version", Wildness::Any).expect("fills");
    (connection, unfilled)
}

fn ask(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

/// Everything that SQLite can check holds, and no table is empty.
#[track_caller]
fn check_sound(connection: &Connection, tables: &[String]) {
    let whole: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(whole, "ok");
    assert_eq!(ask(connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    for table in tables {
        assert!(ask(connection, &format!("SELECT count(*) FROM \"{table}\"")) > 0, "{table}");
    }
}

#[track_caller]
fn check(sql: &str, question: &str, expected: i64) {
    let (connection, unfilled) = filled(sql);
    assert_eq!(unfilled, [], "{sql}");
    check_sound(&connection, &[]);
    assert_eq!(ask(&connection, question), expected, "{question}");
}

#[test]
fn null_stands_wherever_it_is_allowed_and_nowhere_else() {
    check("CREATE TABLE t (a TEXT, b TEXT NOT NULL)", "SELECT count(*) FROM t WHERE a IS NULL", 1);
    check("CREATE TABLE t (a TEXT, b TEXT NOT NULL)", "SELECT count(*) FROM t WHERE b IS NULL", 0);
}

#[test]
fn a_value_occurs_twice_unless_a_key_forbids_it() {
    let twice = "SELECT count(*) - count(DISTINCT a) FROM t";
    check("CREATE TABLE t (a INTEGER NOT NULL)", twice, 1 + 1);
    check("CREATE TABLE t (a INTEGER NOT NULL UNIQUE)", twice, 0);
}

#[test]
fn types_are_as_declared_in_strict_tables_alone() {
    let odd = "SELECT count(*) FROM t WHERE typeof(a) = 'text' OR typeof(b) = 'blob'";
    check("CREATE TABLE t (a INTEGER, b TEXT)", odd, 1);
    check("CREATE TABLE t (a INTEGER, b TEXT) STRICT", odd, 0);
}

#[test]
fn every_parent_gets_children_and_a_tree_has_a_root() {
    let family = "CREATE TABLE child (p INTEGER NOT NULL REFERENCES parent, q TEXT REFERENCES parent (name));
        CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)";
    check(family, "SELECT count(DISTINCT p) FROM child", 8);
    let tree = "CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t)";
    check(tree, "SELECT count(*) FROM t WHERE parent IS NULL", 1);
    let composite = "CREATE TABLE parent (a TEXT, b INTEGER, PRIMARY KEY (a, b));
        CREATE TABLE child (x TEXT, y INTEGER, FOREIGN KEY (x, y) REFERENCES parent (a, b))";
    check(composite, "SELECT count(*) > 1 FROM child JOIN parent ON (x, y) = (a, b)", 1);
}

#[test]
fn a_conflict_clause_or_a_trigger_that_rolls_back_loses_no_other_row() {
    let clauses = "CREATE TABLE t (a INTEGER UNIQUE ON CONFLICT ROLLBACK, b TEXT NOT NULL ON CONFLICT IGNORE)";
    check(clauses, "SELECT count(*) FROM t", 8);
    let trigger = "CREATE TABLE t (a TEXT); CREATE TRIGGER r BEFORE INSERT ON t WHEN new.a IS NULL
        BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    check(trigger, "SELECT count(*) > 4 FROM t", 1);
}

#[test]
fn values_that_a_check_lists_all_occur() {
    let listed =
        "CREATE TABLE t (state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'paid')))";
    check(listed, "SELECT count(DISTINCT state) FROM t", 2);
}

#[test]
fn a_foreign_key_that_sqlite_cannot_check_stops_nothing() {
    let (connection, unfilled) = filled(
        "CREATE TABLE p (a); CREATE TABLE c (a REFERENCES p (a)); CREATE TABLE d (a REFERENCES nowhere)",
    );
    assert_eq!(unfilled, []);
    assert!(ask(&connection, "SELECT count(*) FROM c") > 1);
}

#[test]
fn a_cycle_of_required_foreign_keys_is_filled() {
    let cycle = "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER NOT NULL REFERENCES b);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a)";
    check(cycle, "SELECT (SELECT count(*) > 0 FROM a) + (SELECT count(*) > 0 FROM b)", 2);
}

#[test]
fn checks_generated_columns_and_triggers_are_satisfied() {
    for (sql, question) in [
        (
            "CREATE TABLE t (state TEXT NOT NULL CHECK (state IN ('open', 'closed')))",
            "SELECT count(*) > 1 FROM t",
        ),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY CHECK (length(id) = 36))",
            "SELECT count(*) > 1 FROM t",
        ),
        (
            "CREATE TABLE t (low INTEGER, high INTEGER, CHECK (low < high))",
            "SELECT count(*) > 0 FROM t WHERE low < high",
        ),
        (
            "CREATE TABLE t (data TEXT CHECK (json_valid(data)))",
            "SELECT count(*) > 0 FROM t WHERE data IS NOT NULL",
        ),
        (
            "CREATE TABLE t (rate REAL NOT NULL CHECK (rate BETWEEN 0.25 AND 0.75))",
            "SELECT count(*) > 0 FROM t",
        ),
        (
            "CREATE TABLE t (mail TEXT NOT NULL CHECK (mail LIKE '%_@_%'))",
            "SELECT count(*) > 0 FROM t",
        ),
        (
            "CREATE TABLE t (a TEXT, b AS (upper(a)) STORED, c AS (length(a)))",
            "SELECT count(*) FROM t WHERE b = 'A'",
        ),
        (
            "CREATE TABLE t (a INTEGER); CREATE TRIGGER r BEFORE INSERT ON t WHEN new.a IS NOT 7
            BEGIN SELECT RAISE(ABORT, 'seven'); END",
            "SELECT count(*) > 0 FROM t",
        ),
        (
            "CREATE TABLE t (a TEXT NOT NULL, b TEXT NOT NULL); CREATE UNIQUE INDEX i ON t (lower(a || b))",
            "SELECT count(*) > 1 FROM t",
        ),
        (
            "CREATE TABLE t (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID",
            "SELECT count(*) > 1 FROM t",
        ),
    ] {
        let (connection, unfilled) = filled(sql);
        assert_eq!(unfilled, [], "{sql}");
        check_sound(&connection, &[]);
        assert!(ask(&connection, question) > 0, "{sql}");
    }
}

#[test]
fn a_table_that_takes_no_row_is_named_with_the_reason() {
    let (connection, unfilled) = filled(
        "CREATE TABLE t (a INTEGER CHECK (0)); CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE ok (a)",
    );
    check_sound(&connection, &["ok".to_owned()]);
    let told: Vec<(&str, &str)> =
        unfilled.iter().map(|one| (one.table.as_str(), one.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("f", "it is virtual: its module decides what it takes"),
            ("t", "CHECK constraint failed: 0")
        ]
    );
}

#[test]
fn rows_are_added_to_those_that_are_there_and_the_engines_table_is_left_alone() {
    let connection = database(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE); INSERT INTO t VALUES (1, 'a');
         CREATE TABLE schema_version (id INTEGER PRIMARY KEY)",
    );
    for rows in [9, 17] {
        assert_eq!(fill(&connection, "schema_version", Wildness::Any).expect("fills"), []);
        assert_eq!(ask(&connection, "SELECT count(*) FROM t"), rows);
    }
    assert_eq!(ask(&connection, "SELECT count(*) FROM schema_version"), 0);
}

/// One column of a random table: always one that some row satisfies.
fn column() -> impl Strategy<Value = String> {
    let types = prop::sample::select(vec!["INTEGER", "REAL", "TEXT", "BLOB", "INT"]);
    let rules = prop::sample::select(vec![
        "",
        " NOT NULL",
        " UNIQUE",
        " NOT NULL UNIQUE",
        " DEFAULT 7",
        " CHECK (# IS NOT 3)",
        " NOT NULL CHECK (length(#) < 40)",
        " CHECK (# <> 'x')",
        " NOT NULL CHECK (# > 4)",
        " COLLATE NOCASE",
    ]);
    (types, rules).prop_map(|(name, rules)| format!("{name}{rules}"))
}

/// A random schema: keys of several kinds, foreign keys to itself and to tables before.
fn schema() -> impl Strategy<Value = Vec<String>> {
    let keys = prop::sample::select(vec![
        "id INTEGER PRIMARY KEY",
        "id INTEGER PRIMARY KEY AUTOINCREMENT",
        "id TEXT NOT NULL PRIMARY KEY",
        "id INT PRIMARY KEY",
    ]);
    let table = (
        keys,
        prop::collection::vec(column(), 0..5),
        prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3),
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(table, 1..5).prop_map(|tables| {
        let mut schema = Vec::new();
        for (number, (key, columns, parents, is_strict, has_pair)) in tables.into_iter().enumerate()
        {
            let mut parts = vec![key.to_owned()];
            for (at, column) in columns.iter().enumerate() {
                parts.push(format!("c{at} {}", column.replace('#', &format!("c{at}"))));
            }
            for (at, (parent, is_required)) in parents.into_iter().enumerate() {
                let parent = parent.index(number + 1);
                // A row that has to have itself as its parent is possible, an affinity that differs is not.
                let required = if is_required && parent < number { " NOT NULL" } else { "" };
                let any = if is_strict { " ANY" } else { "" };
                parts.push(format!("p{at}{any}{required} REFERENCES t{parent} (id)"));
            }
            if has_pair && columns.len() > 1 {
                parts.push("UNIQUE (c0, c1)".to_owned());
            }
            let options = if is_strict { " STRICT" } else { "" };
            schema.push(format!("CREATE TABLE t{number} ({}){options}", parts.join(", ")));
        }
        schema
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_any_schema_keep_every_rule_of_it(schema in schema(), tame in any::<bool>()) {
        let connection = database(&schema.join(";"));
        let wildness = if tame { Wildness::AsDeclared } else { Wildness::Any };
        let unfilled = fill(&connection, "schema_version", wildness).expect("fills");
        prop_assert_eq!(&unfilled, &[], "{:#?}", schema);
        let tables: Vec<String> = (0..schema.len()).map(|number| format!("t{number}")).collect();
        check_sound(&connection, &tables);
    }
}
