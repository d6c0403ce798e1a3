//! The proof itself: it finds what no change declared, so that a wrong edit could not pass.

use rusqlite::Connection;

use crate::schema::rebuild::changes::Change;
use crate::schema::rebuild::definition::Definition;
use crate::schema::rebuild::shape::{Shape, undeclared_difference};
use crate::schema::rebuild::target::check_understood;
use crate::schema::rebuild::{RebuildApi, TableChanges};

fn shape(sql: &str) -> Shape {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    Shape::read(&connection, "t").unwrap()
}

/// Compares two tables as before and after a change of the default of `d`.
fn difference(before: &str, after: &str) -> Option<String> {
    let mut changes = TableChanges::new(RebuildApi::V1);
    changes.set_default("d", "7");
    let definition = Definition::parse("t", before).unwrap();
    undeclared_difference(&shape(before), &shape(after), changes.changes(), &definition)
}

const TABLE: &str = "CREATE TABLE t(a INT REFERENCES p(x), b TEXT NOT NULL, c UNIQUE, d)";

#[test]
fn a_declared_difference_is_no_difference() {
    assert_eq!(difference(TABLE, &TABLE.replace("d)", "d DEFAULT 7)")), None);
}

#[test]
fn every_difference_that_was_not_declared_is_found() {
    for (from, to, fact) in [
        ("a INT", "a INTEGER", "column a type"),
        ("b TEXT NOT NULL", "b TEXT", "column b not null"),
        ("c UNIQUE", "c", "unique (c)"),
        ("c UNIQUE", "c COLLATE NOCASE UNIQUE", "unique (c)"),
        ("c UNIQUE", "c UNIQUE DEFAULT 1", "column c default"),
        ("c UNIQUE", "c AS (1) UNIQUE", "column c visibility"),
        ("c UNIQUE", "c PRIMARY KEY", "column c key"),
        (" REFERENCES p(x)", "", "foreign key (a)"),
        ("p(x)", "p(y)", "foreign key (a)"),
        ("p(x)", "p(x) ON DELETE CASCADE", "foreign key (a)"),
        ("b TEXT NOT NULL, c UNIQUE", "c UNIQUE, b TEXT NOT NULL", "column order"),
        (", d)", ", d, e)", "column order"),
        (
            TABLE,
            "CREATE TABLE t(a INT REFERENCES p(x), b TEXT NOT NULL, c ANY UNIQUE, d ANY) STRICT",
            "column c type",
        ),
        (
            TABLE,
            "CREATE TABLE t(a INT REFERENCES p(x), b TEXT NOT NULL, c UNIQUE, d PRIMARY KEY) WITHOUT ROWID",
            "column d key",
        ),
    ] {
        let found = difference(TABLE, &TABLE.replacen(from, to, 1)).unwrap_or_default();
        assert!(found.starts_with(fact), "{from} -> {to}: {found}");
    }
}

#[test]
fn an_index_that_is_gone_is_found() {
    let with = format!("{TABLE}; CREATE INDEX i ON t(b)");
    let definition = Definition::parse("t", TABLE).unwrap();
    let found = undeclared_difference(&shape(&with), &shape(TABLE), &[], &definition);
    assert!(found.is_some_and(|found| found.starts_with("index i: ")));
    let new = [Change::NewSql { sql: TABLE.to_owned(), column_map: Vec::new() }];
    let found = undeclared_difference(&shape(&with), &shape(TABLE), &new, &definition);
    assert_eq!(found.as_deref(), Some("index i: lost"));
}

#[test]
fn a_definition_that_was_read_in_another_way_is_refused() {
    for (from, to) in [
        ("c UNIQUE", "x UNIQUE"),
        ("c UNIQUE", "c UNIQUE DEFAULT 1"),
        (" REFERENCES p(x)", ""),
        (", d)", ")"),
        (", d)", ", d PRIMARY KEY) WITHOUT ROWID"),
        ("c UNIQUE", "c AS (1)"),
    ] {
        let definition = Definition::parse("t", TABLE).unwrap();
        assert!(check_understood("t", &definition, &shape(TABLE)).is_ok());
        let other = shape(&TABLE.replacen(from, to, 1));
        assert!(check_understood("t", &definition, &other).is_err(), "{from} -> {to}");
    }
}
