//! A table as SQLite understands it, as facts that can be compared one by one.
//!
//! Read from pragmas, not from text: a second opinion on what an edit did.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::schema::read::{TableColumn, Visibility, columns, folded};

use super::changes::{Change, TableOption};
use super::definition::Definition;

/// What a table is.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) is_strict: bool,
    pub(super) is_without_rowid: bool,
    pub(super) columns: Vec<TableColumn>,
    pub(super) indexes: Vec<Index>,
    pub(super) foreign_keys: Vec<Reference>,
}

/// An index, made by name or by a constraint.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) is_unique: bool,
    /// `c` by name, `u` by `UNIQUE`, `pk` by `PRIMARY KEY`.
    pub(super) origin: String,
    pub(super) is_partial: bool,
    pub(super) keys: Vec<IndexKey>,
}

/// One column of an index; no name for an expression.
#[derive(Debug, Clone)]
pub(super) struct IndexKey {
    pub(super) column: Option<String>,
    pub(super) is_descending: bool,
    pub(super) collation: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) parent: String,
    /// Each column with the parent's column; none means the parent's primary key.
    pub(super) columns: Vec<(String, Option<String>)>,
    pub(super) actions: String,
}

impl Shape {
    /// Reads a table of `main`.
    pub(super) fn read(connection: &Connection, table: &str) -> rusqlite::Result<Self> {
        // https://sqlite.org/pragma.html#pragma_table_list
        let options = connection
            .query_row(
                "SELECT wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'",
                [table],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (is_without_rowid, is_strict) = options.unwrap_or((false, false));
        Ok(Self {
            is_strict,
            is_without_rowid,
            columns: columns(connection, table)?,
            indexes: indexes(connection, table)?,
            foreign_keys: references(connection, table)?,
        })
    }

    /// Returns the columns of the primary key in its order.
    pub(super) fn primary_key(&self) -> Vec<&str> {
        let mut key: Vec<&TableColumn> =
            self.columns.iter().filter(|column| column.primary_key > 0).collect();
        key.sort_by_key(|column| column.primary_key);
        key.iter().map(|column| column.name.as_str()).collect()
    }

    /// Returns the column that is another name of the rowid.
    ///
    /// A key of one column is it unless it has an index, as the key of
    /// another type has, and by a quirk `INTEGER PRIMARY KEY DESC`:
    /// <https://sqlite.org/lang_createtable.html#rowid>.
    pub(super) fn rowid_alias(&self) -> Option<&str> {
        let has_index = self.indexes.iter().any(|index| index.origin == "pk");
        match self.primary_key().as_slice() {
            [column] if !has_index && !self.is_without_rowid => Some(column),
            _ => None,
        }
    }

    /// Finds a name of the rowid that no column takes.
    pub(super) fn rowid_name(&self) -> Option<&'static str> {
        let is_free =
            |name: &str| !self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        ["rowid", "_rowid_", "oid"].into_iter().find(|name| !self.is_without_rowid && is_free(name))
    }

    /// Asks whether a foreign key may point at these columns.
    pub(super) fn is_parent_key(&self, columns: &[String]) -> bool {
        let same = |key: &[&str]| {
            let sorted = |names: Vec<String>| {
                let mut names = names;
                names.sort();
                names
            };
            sorted(key.iter().map(|name| folded(name)).collect())
                == sorted(columns.iter().map(|name| folded(name)).collect())
        };
        same(&self.primary_key())
            || self.indexes.iter().filter(|index| index.is_unique && !index.is_partial).any(
                |index| {
                    let key: Option<Vec<&str>> =
                        index.keys.iter().map(|key| key.column.as_deref()).collect();
                    key.is_some_and(|key| same(&key))
                },
            )
    }

    /// Returns every fact under a name that says what it is about.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        let mut add = |name: String, value: String| {
            let known: &mut String = facts.entry(name).or_default();
            known.push_str(&value);
            known.push(';');
        };
        add("strict".to_owned(), self.is_strict.to_string());
        add("without rowid".to_owned(), self.is_without_rowid.to_string());
        for column in &self.columns {
            let name = folded(&column.name);
            add("column order".to_owned(), column.name.clone());
            add(format!("column {name} type"), column.declared_type.clone());
            add(format!("column {name} not null"), column.not_null.to_string());
            add(format!("column {name} default"), format!("{:?}", column.default));
            add(format!("column {name} key"), column.primary_key.to_string());
            add(format!("column {name} visibility"), format!("{:?}", column.visibility));
        }
        for index in &self.indexes {
            let keys = index.keys.iter().map(IndexKey::fact).collect::<Vec<_>>().join(", ");
            match index.origin.as_str() {
                "c" => {
                    add(
                        format!("index {}", index.name),
                        format!("{} {} {keys}", index.is_unique, index.is_partial),
                    );
                }
                "pk" => add("primary key".to_owned(), keys),
                _ => add(format!("unique {}", index.column_names()), keys),
            }
        }
        for key in &self.foreign_keys {
            let columns: Vec<String> =
                key.columns.iter().map(|(column, _)| folded(column)).collect();
            add(format!("foreign key ({})", columns.join(", ")), key.fact());
        }
        facts
    }
}

impl IndexKey {
    fn fact(&self) -> String {
        let column = self.column.as_deref().unwrap_or("an expression");
        let collation = self.collation.as_deref().unwrap_or_default();
        let order = if self.is_descending { " descending" } else { "" };
        format!("{column} {collation}{order}")
    }
}

impl Reference {
    fn fact(&self) -> String {
        let parent_columns: Vec<&str> =
            self.columns.iter().map(|(_, column)| column.as_deref().unwrap_or("its key")).collect();
        format!("{} ({}) {}", folded(&self.parent), parent_columns.join(", "), self.actions)
    }
}

impl Index {
    fn column_names(&self) -> String {
        let names: Vec<String> =
            self.keys.iter().map(|key| folded(key.column.as_deref().unwrap_or("?"))).collect();
        format!("({})", names.join(", "))
    }

    /// Asks whether two indexes hold the same columns in the same order.
    pub(super) fn has_same_columns(&self, other: &Self) -> bool {
        self.column_names() == other.column_names()
    }
}

/// Names a fact that the declared changes do not explain, with both values.
pub(super) fn undeclared_difference(
    before: &Shape,
    after: &Shape,
    changes: &[Change],
    definition_before: &Definition<'_>,
) -> Option<String> {
    if changes.iter().any(|change| matches!(change, Change::NewSql { .. })) {
        return undeclared_index(before, after);
    }
    let (before, after) = (before.facts(), after.facts());
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let explained = || changes.iter().any(|change| explains(change, name, definition_before));
        if old != new && !explained() {
            let shown =
                |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), Clone::clone);
            return Some(format!("{name}: {} became {}", shown(old), shown(new)));
        }
    }
    None
}

/// A whole new definition explains everything but the loss of an index that has a name.
fn undeclared_index(before: &Shape, after: &Shape) -> Option<String> {
    let lost = before
        .indexes
        .iter()
        .filter(|index| index.origin == "c")
        .find(|index| !after.indexes.iter().any(|other| other.name == index.name));
    lost.map(|index| format!("index {}: lost", index.name))
}

/// Asks whether a change may alter a fact.
fn explains(change: &Change, fact: &str, definition: &Definition<'_>) -> bool {
    let of = |column: &str, what: &str| fact == format!("column {} {what}", folded(column));
    match change {
        // `INT PRIMARY KEY` has an index of its own, `INTEGER PRIMARY KEY` has none.
        Change::SetType { column, .. } => of(column, "type") || fact == "primary key",
        Change::SetDefault { column, .. } | Change::DropDefault { column } => of(column, "default"),
        Change::SetNotNull { column } | Change::DropNotNull { column } => of(column, "not null"),
        // Indexes of the column follow its collation.
        Change::SetCollation { .. } => is_about_key(fact) || fact.starts_with("index "),
        Change::AddColumn { definition, .. } => {
            let name = Definition::parse_column("", definition)
                .map(|added| folded(&added.columns[0].name));
            name.is_ok_and(|name| is_about_column(fact, &name))
        }
        Change::DropColumn { column } => is_about_column(fact, &folded(column)),
        Change::SetPrimaryKey { columns } => is_about_primary_key(fact, definition, columns),
        Change::AddForeignKey(key) => fact == foreign_key_fact(&key.columns),
        Change::DropForeignKey { columns } => fact == foreign_key_fact(columns),
        Change::DropConstraint { name } => is_about_constraint(fact, definition, name),
        Change::SetOption(TableOption::Strict | TableOption::NotStrict) => {
            fact == "strict" || (fact.starts_with("column ") && fact.ends_with(" not null"))
        }
        Change::SetOption(TableOption::WithoutRowid | TableOption::WithRowid) => {
            fact == "without rowid"
                || fact == "primary key"
                || (fact.starts_with("column ") && fact.ends_with(" not null"))
        }
        Change::RenameColumn { .. } | Change::AddCheck { .. } | Change::CopyExpression { .. } => {
            false
        }
        Change::NewSql { .. } => true,
    }
}

/// `UNIQUE` of the same columns shares the index of the key, so that it comes and goes with it.
fn is_about_primary_key(fact: &str, definition: &Definition<'_>, columns: &[String]) -> bool {
    let unique = |columns: &[String]| {
        let names: Vec<String> = columns.iter().map(|column| folded(column)).collect();
        fact == format!("unique ({})", names.join(", "))
    };
    let was_key = definition.primary_key().is_some_and(|(column, constraint)| match column {
        Some(column) => unique(std::slice::from_ref(&column.name)),
        None => unique(&constraint.columns),
    });
    fact == "primary key"
        || was_key
        || unique(columns)
        || (fact.starts_with("column ") && (fact.ends_with(" key") || fact.ends_with(" not null")))
}

fn is_about_key(fact: &str) -> bool {
    fact == "primary key" || fact.starts_with("unique ")
}

fn foreign_key_fact(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| folded(column)).collect();
    format!("foreign key ({})", columns.join(", "))
}

/// A column that comes or goes takes its own constraints with it.
fn is_about_column(fact: &str, column: &str) -> bool {
    fact == "column order"
        || fact.starts_with(&format!("column {column} "))
        || fact == format!("unique ({column})")
        || fact == format!("foreign key ({column})")
        || fact == "primary key"
}

/// A named constraint that goes changes what its kind can change, and no more.
fn is_about_constraint(fact: &str, definition: &Definition<'_>, name: &str) -> bool {
    let is_it =
        |own: &Option<String>| own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
    definition.all_constraints().filter(|(_, constraint)| is_it(&constraint.name)).any(
        |(column, constraint)| {
            let columns = match column {
                Some(column) => std::slice::from_ref(&column.name),
                None => constraint.columns.as_slice(),
            };
            let listed: Vec<String> = columns.iter().map(|column| folded(column)).collect();
            let listed = listed.join(", ");
            fact == format!("unique ({listed})")
                || fact == format!("foreign key ({listed})")
                || (fact == "primary key" && constraint.is_primary_key())
                || columns.iter().any(|column| {
                    fact.strip_prefix(&format!("column {} ", folded(column)))
                        .is_some_and(|what| constraint.decides(what))
                })
        },
    )
}

fn indexes(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    // https://sqlite.org/pragma.html#pragma_index_list
    let mut statement = connection.prepare(
        "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, 'main') ORDER BY seq DESC",
    )?;
    let listed = statement.query_map([table], |row| {
        Ok(Index {
            name: row.get(0)?,
            is_unique: row.get(1)?,
            origin: row.get(2)?,
            is_partial: row.get(3)?,
            keys: Vec::new(),
        })
    })?;
    let mut indexes: Vec<Index> = listed.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(
        "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" ORDER BY seqno",
    )?;
    for index in &mut indexes {
        let keys = statement.query_map([&index.name], |row| {
            Ok(IndexKey { column: row.get(0)?, is_descending: row.get(1)?, collation: row.get(2)? })
        })?;
        index.keys = keys.collect::<Result<_, _>>()?;
    }
    Ok(indexes)
}

fn references(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Reference>> {
    // https://sqlite.org/pragma.html#pragma_foreign_key_list
    let mut statement = connection.prepare(
        "SELECT id, \"table\", \"from\", \"to\", on_update || ' ' || on_delete || ' ' || \"match\" \
         FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut references: Vec<(i64, Reference)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let columns = (row.get(2)?, row.get(3)?);
        match references.last_mut() {
            Some((last, reference)) if *last == id => reference.columns.push(columns),
            _ => {
                let reference =
                    Reference { parent: row.get(1)?, columns: vec![columns], actions: row.get(4)? };
                references.push((id, reference));
            }
        }
    }
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}

/// Asks whether a column's values are computed, not stored by an `INSERT`.
pub(super) fn is_generated(column: &TableColumn) -> bool {
    column.visibility != Visibility::Ordinary
}
