//! What a database's schema holds, read from SQLite.
//!
//! Reads `main` alone. Leaves out what SQLite makes by itself: `sqlite_…`
//! tables, the indexes of constraints, and the shadow tables of virtual ones.

use std::collections::HashSet;
use std::fmt;

use rusqlite::Connection;

use crate::error::{Error, ErrorKind};

/// The kind of a schema object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    /// A table, virtual ones included.
    Table,
    /// An index that was created by name.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl ObjectKind {
    /// Returns the word that SQLite uses.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Table, Self::Index, Self::View, Self::Trigger]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One object of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) name: String,
    /// The table or view that it belongs to; a table's and a view's own name.
    pub(crate) table: String,
    /// The statement that made it, as SQLite stores it.
    pub(crate) sql: String,
}

/// The objects of one database, ordered by kind and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    objects: Vec<Object>,
}

impl Schema {
    /// Reads the schema of `main`.
    pub(crate) fn read(connection: &Connection) -> Result<Self, Error> {
        read_objects(connection)
            .map(Self::new)
            .map_err(|e| Error::new(ErrorKind::Sqlite, "cannot read the schema").caused_by(e))
    }

    /// Orders objects into a schema.
    pub(crate) fn new(mut objects: Vec<Object>) -> Self {
        objects.sort_by_cached_key(|object| (object.kind, folded(&object.name)));
        Self { objects }
    }

    /// Returns the objects, ordered by kind and name.
    pub(crate) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Finds an object by kind and name, in any ASCII case.
    pub(crate) fn find(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        self.objects
            .iter()
            .find(|object| object.kind == kind && object.name.eq_ignore_ascii_case(name))
    }

    /// Returns the schema without the objects that `left_out` picks: the tables of an engine, say.
    #[must_use]
    pub(crate) fn without(self, left_out: impl Fn(&Object) -> bool) -> Self {
        Self { objects: self.objects.into_iter().filter(|object| !left_out(object)).collect() }
    }
}

/// Folds a name as SQLite compares names.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn read_objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    // https://sqlite.org/pragma.html#pragma_table_list
    let mut statement = connection
        .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'")?;
    let shadows: HashSet<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_schema \
         WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let mut rows = statement.query([])?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        let table: String = row.get(2)?;
        if let Some(kind) = ObjectKind::from_word(&word)
            && !shadows.contains(&table)
        {
            objects.push(Object { kind, name: row.get(1)?, table, sql: row.get(3)? });
        }
    }
    Ok(objects)
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableColumn {
    /// The name.
    pub name: String,
    /// The declared type, as written; empty if none is.
    pub declared_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default as SQL text.
    pub default: Option<String>,
    /// The place in the primary key from 1, or 0.
    pub primary_key: u32,
    /// Whether it is stored, generated or hidden.
    pub visibility: Visibility,
}

/// Whether a column is stored, generated or hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visibility {
    /// An ordinary column.
    Ordinary,
    /// A hidden column of a virtual table.
    Hidden,
    /// Computed when it is read.
    GeneratedVirtual,
    /// Computed when the row is written.
    GeneratedStored,
}

/// Reads the columns of a table or view of `main`; none if there is no such table.
pub(crate) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<TableColumn>> {
    // https://sqlite.org/pragma.html#pragma_table_xinfo
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        Ok(TableColumn {
            name: row.get(0)?,
            declared_type: row.get(1)?,
            not_null: row.get(2)?,
            default: row.get(3)?,
            primary_key: row.get(4)?,
            visibility: match row.get(5)? {
                0 => Visibility::Ordinary,
                2 => Visibility::GeneratedVirtual,
                3 => Visibility::GeneratedStored,
                _ => Visibility::Hidden,
            },
        })
    })?;
    columns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(sql: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    #[test]
    fn what_sqlite_makes_by_itself_is_left_out() {
        let connection = database(
            "CREATE TABLE sqlitebrowser(id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE);
             CREATE INDEX i ON sqlitebrowser(a); ANALYZE;
             CREATE VIRTUAL TABLE docs USING fts5(body);
             CREATE VIEW v AS SELECT 1;
             CREATE TRIGGER r AFTER INSERT ON sqlitebrowser BEGIN SELECT 1; END;",
        );
        let schema = Schema::read(&connection).unwrap();
        let names: Vec<_> = schema
            .objects()
            .iter()
            .map(|object| (object.kind.word(), object.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("table", "docs"),
                ("table", "sqlitebrowser"),
                ("index", "i"),
                ("view", "v"),
                ("trigger", "r")
            ]
        );
        assert!(schema.find(ObjectKind::View, "V").is_some());
    }

    #[test]
    fn columns_are_read_with_their_visibility() {
        let connection = database(
            "CREATE TABLE t(a TEXT NOT NULL DEFAULT 'x', b AS (a), c AS (a) STORED, PRIMARY KEY(a))",
        );
        let columns = columns(&connection, "T").unwrap();
        assert_eq!(columns[0].default.as_deref(), Some("'x'"));
        assert_eq!((columns[0].primary_key, columns[0].not_null), (1, true));
        assert_eq!(columns[1].visibility, Visibility::GeneratedVirtual);
        assert_eq!(columns[2].visibility, Visibility::GeneratedStored);
    }
}
