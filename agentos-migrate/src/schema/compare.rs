//! Two schemas compared, object by object.
//!
//! Objects meet by kind and name, in any ASCII case, and are equal if their
//! normal forms are. The difference is data; [`Difference::unified_diff`] is for people.

use std::fmt;

use similar::TextDiff;

use super::normalise::same_statement;
use super::read::{Object, ObjectKind, Schema};
use super::text::statement_text;

/// What is different about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: ObjectKind,
    pub(crate) name: String,
    pub(crate) change: Change,
}

/// How an object differs. Texts are in the readable normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Found, but not expected.
    Added { found: String },
    /// Expected, but not found.
    Missing { expected: String },
    /// Found, but not as expected.
    Changed { expected: String, found: String },
}

impl Change {
    /// Returns the stable word for `--json`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Missing { .. } => "missing",
            Self::Changed { .. } => "changed",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` is {}", self.kind, self.name, self.change.word())?;
        if self.is_order_only() {
            f.write_str(", in the order of its columns only")
        } else {
            Ok(())
        }
    }
}

impl Difference {
    /// Asks whether a table has the same columns and constraints in another order.
    pub(crate) fn is_order_only(&self) -> bool {
        let lines = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        match &self.change {
            Change::Changed { expected, found } if self.kind == ObjectKind::Table => {
                lines(expected) == lines(found)
            }
            _ => false,
        }
    }

    /// Shows the difference of this object as a unified diff, from expected to found.
    pub(crate) fn unified_diff(&self) -> String {
        let (expected, found) = match &self.change {
            Change::Added { found } => ("", found.as_str()),
            Change::Missing { expected } => (expected.as_str(), ""),
            Change::Changed { expected, found } => (expected.as_str(), found.as_str()),
        };
        text_diff(expected, found)
    }
}

/// Compares `found` with `expected`; no difference is an empty list.
pub(crate) fn differences(expected: &Schema, found: &Schema) -> Vec<Difference> {
    let mut differences = Vec::new();
    for object in expected.objects() {
        let change = match found.find(object.kind, &object.name) {
            None => Change::Missing { expected: statement_text(object) },
            Some(other) if same_object(object, other) => continue,
            Some(other) => {
                Change::Changed { expected: statement_text(object), found: statement_text(other) }
            }
        };
        differences.push(Difference { kind: object.kind, name: object.name.clone(), change });
    }
    for object in found.objects() {
        if expected.find(object.kind, &object.name).is_none() {
            let change = Change::Added { found: statement_text(object) };
            differences.push(Difference { kind: object.kind, name: object.name.clone(), change });
        }
    }
    differences
}

/// Asks whether an object is as it was when it was accepted: the same statement, or not there.
pub(crate) fn is_as_accepted(accepted: Option<&str>, found: Option<&str>) -> bool {
    match (accepted, found) {
        (None, None) => true,
        (Some(accepted), Some(found)) => same_statement(accepted, found),
        _ => false,
    }
}

fn same_object(one: &Object, other: &Object) -> bool {
    one.table.eq_ignore_ascii_case(&other.table) && same_statement(&one.sql, &other.sql)
}

fn text_diff(expected: &str, found: &str) -> String {
    TextDiff::from_lines(expected, found).unified_diff().header("expected", "found").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn schema(sql: &str) -> Schema {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        Schema::read(&connection).unwrap()
    }

    #[test]
    fn a_schema_does_not_differ_from_another_spelling_of_it() {
        let one = schema("CREATE TABLE t(a INTEGER, b TEXT); CREATE INDEX i ON t(b);");
        let other = schema(
            "create table \"t\" (\n a INTEGER, -- first\n [b] TEXT);\ncreate index \"i\" on t ( b )",
        );
        assert_eq!(differences(&one, &other), []);
    }

    #[test]
    fn added_missing_and_changed_objects_are_told_apart() {
        let expected = schema("CREATE TABLE t(a, b); CREATE TABLE u(a);");
        let found = schema("CREATE TABLE t(a, b NOT NULL); CREATE VIEW v AS SELECT 1;");
        let differences = differences(&expected, &found);
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["table `t` is changed", "table `u` is missing", "view `v` is added"]);
        let moved = schema("CREATE TABLE t(b, a); CREATE TABLE u(a);");
        assert_eq!(
            super::differences(&expected, &moved)[0].to_string(),
            "table `t` is changed, in the order of its columns only"
        );
        assert_eq!(
            differences[0].unified_diff(),
            "--- expected\n+++ found\n@@ -1,4 +1,4 @@\n CREATE TABLE t (\n     a,\n-    b\n+    b NOT NULL\n );\n"
        );
        assert_eq!(
            differences[2].unified_diff(),
            "--- expected\n+++ found\n@@ -0,0 +1,2 @@\n+CREATE VIEW v AS\n+SELECT 1;\n"
        );
    }
}
