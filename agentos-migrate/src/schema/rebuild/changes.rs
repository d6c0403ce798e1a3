//! The changes that an author asks for: what `rebuild_table`'s closure is given.
//!
//! Holds what was called, in its order, and decides nothing. Every change
//! carries the version of its meaning, so that a migration that was released
//! never comes to mean something else.

/// The meaning of the changes. A later meaning is a new variant; this one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RebuildApi {
    /// The first.
    #[default]
    V1,
}

/// The changes of one table, made together.
///
/// Renames come first, whatever the order of the calls: every other call and
/// every expression uses the new names. The other calls work in their order.
/// A definition is edited, never written anew: comments, quotes, constraints
/// and options that no call names stay as they are.
///
/// A call only notes what is wanted. A column that does not exist, an
/// expression that is none, rows that a new constraint refuses: all of it is
/// an error of the rebuild, which then leaves the table as it was.
#[derive(Debug, Clone, Default)]
pub struct TableChanges {
    api: RebuildApi,
    changes: Vec<Change>,
}

/// Where a new column stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Before all others.
    First,
    /// After the column of this name.
    After(String),
    /// After all others.
    Last,
}

impl Place {
    /// Makes the place after a column.
    pub fn after(column: impl Into<String>) -> Self {
        Self::After(column.into())
    }
}

/// What a foreign key does to its rows when the parent's row goes or gets another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignKeyAction {
    /// `NO ACTION`, SQLite's default: refuses, at the end of the statement or transaction.
    NoAction,
    /// `RESTRICT`: refuses at once.
    Restrict,
    /// `CASCADE`: follows.
    Cascade,
    /// `SET NULL`.
    SetNull,
    /// `SET DEFAULT`.
    SetDefault,
}

impl ForeignKeyAction {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// One change, as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    RenameColumn { from: String, to: String },
    SetType { column: String, declared_type: String },
    SetDefault { column: String, sql: String },
    DropDefault { column: String },
    SetNotNull { column: String },
    DropNotNull { column: String },
    SetCollation { column: String, collation: String },
    AddCheck { name: Option<String>, expression: String },
    DropConstraint { name: String },
    AddColumn { definition: String, place: Place },
    DropColumn { column: String },
    SetPrimaryKey { columns: Vec<String> },
    AddForeignKey(ForeignKey),
    DropForeignKey { columns: Vec<String> },
    SetOption(TableOption),
    CopyExpression { column: String, sql: String },
    NewSql { sql: String, column_map: Vec<(String, String)> },
}

/// An option of a table, present or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableOption {
    Strict,
    NotStrict,
    WithoutRowid,
    WithRowid,
}

/// A foreign key to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) parent: String,
    pub(super) parent_columns: Vec<String>,
    pub(super) on_delete: Option<ForeignKeyAction>,
    pub(super) on_update: Option<ForeignKeyAction>,
    pub(super) is_deferred: bool,
}

impl TableChanges {
    /// Makes an empty list of changes of this meaning.
    pub fn new(api: RebuildApi) -> Self {
        Self { api, changes: Vec::new() }
    }

    /// Returns the version of their meaning.
    pub fn api(&self) -> RebuildApi {
        self.api
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn push(&mut self, change: Change) -> &mut Self {
        self.changes.push(change);
        self
    }

    /// Renames a column, also in indexes, triggers, views and foreign keys.
    ///
    /// Done by SQLite, and before all other changes. The texts of full-text
    /// tables are not part of it: a rename that breaks one is refused.
    pub fn rename_column(&mut self, from: impl Into<String>, to: impl Into<String>) -> &mut Self {
        self.push(Change::RenameColumn { from: from.into(), to: to.into() })
    }

    /// Sets the declared type of a column; its values are stored by the new type's affinity.
    pub fn set_type(
        &mut self,
        column: impl Into<String>,
        declared_type: impl Into<String>,
    ) -> &mut Self {
        self.push(Change::SetType { column: column.into(), declared_type: declared_type.into() })
    }

    /// Sets the default of a column: an SQL value such as `'new'`, or an expression.
    ///
    /// Rows that exist keep their values.
    pub fn set_default(&mut self, column: impl Into<String>, sql: impl Into<String>) -> &mut Self {
        self.push(Change::SetDefault { column: column.into(), sql: sql.into() })
    }

    /// Removes the default of a column.
    pub fn drop_default(&mut self, column: impl Into<String>) -> &mut Self {
        self.push(Change::DropDefault { column: column.into() })
    }

    /// Makes a column `NOT NULL`; fails if a row holds NULL in it and no `copy_expr` replaces it.
    pub fn set_not_null(&mut self, column: impl Into<String>) -> &mut Self {
        self.push(Change::SetNotNull { column: column.into() })
    }

    /// Lets a column hold NULL.
    pub fn drop_not_null(&mut self, column: impl Into<String>) -> &mut Self {
        self.push(Change::DropNotNull { column: column.into() })
    }

    /// Sets the collation of a column, such as `NOCASE`.
    pub fn set_collation(
        &mut self,
        column: impl Into<String>,
        collation: impl Into<String>,
    ) -> &mut Self {
        self.push(Change::SetCollation { column: column.into(), collation: collation.into() })
    }

    /// Adds a `CHECK` without a name; fails if a row does not satisfy it.
    pub fn add_check(&mut self, expression: impl Into<String>) -> &mut Self {
        self.push(Change::AddCheck { name: None, expression: expression.into() })
    }

    /// Adds a `CHECK` that [`drop_constraint`](Self::drop_constraint) can name.
    pub fn add_named_check(
        &mut self,
        name: impl Into<String>,
        expression: impl Into<String>,
    ) -> &mut Self {
        self.push(Change::AddCheck { name: Some(name.into()), expression: expression.into() })
    }

    /// Removes the constraint of this name, whatever its kind.
    pub fn drop_constraint(&mut self, name: impl Into<String>) -> &mut Self {
        self.push(Change::DropConstraint { name: name.into() })
    }

    /// Adds a column by its definition, as in `"note TEXT NOT NULL DEFAULT ''"`; last, unless placed.
    ///
    /// Rows that exist get its default, or what [`copy_expr`](Self::copy_expr) says.
    pub fn add_column(&mut self, definition: impl Into<String>) -> AddedColumn<'_> {
        self.push(Change::AddColumn { definition: definition.into(), place: Place::Last });
        AddedColumn(self)
    }

    /// Removes a column and its values.
    ///
    /// Refused while a constraint of the table, an index, a trigger, a view or
    /// a foreign key of another table uses it.
    pub fn drop_column(&mut self, column: impl Into<String>) -> &mut Self {
        self.push(Change::DropColumn { column: column.into() })
    }

    /// Makes these columns the primary key, instead of the present one.
    ///
    /// Rowids change where the new key is one `INTEGER` column.
    pub fn set_primary_key(&mut self, columns: &[&str]) -> &mut Self {
        self.push(Change::SetPrimaryKey { columns: owned(columns) })
    }

    /// Adds a foreign key; an empty list of parent columns means its primary key.
    pub fn add_foreign_key(
        &mut self,
        columns: &[&str],
        parent: impl Into<String>,
        parent_columns: &[&str],
    ) -> AddedForeignKey<'_> {
        self.push(Change::AddForeignKey(ForeignKey {
            name: None,
            columns: owned(columns),
            parent: parent.into(),
            parent_columns: owned(parent_columns),
            on_delete: None,
            on_update: None,
            is_deferred: false,
        }));
        AddedForeignKey(self)
    }

    /// Removes the foreign key of exactly these columns.
    pub fn drop_foreign_key(&mut self, columns: &[&str]) -> &mut Self {
        self.push(Change::DropForeignKey { columns: owned(columns) })
    }

    /// Makes the table `STRICT`; fails if a value has another type than its column.
    pub fn make_strict(&mut self) -> &mut Self {
        self.push(Change::SetOption(TableOption::Strict))
    }

    /// Makes the table accept every type in every column.
    pub fn make_not_strict(&mut self) -> &mut Self {
        self.push(Change::SetOption(TableOption::NotStrict))
    }

    /// Stores the table by its primary key alone. Rowids are gone.
    pub fn make_without_rowid(&mut self) -> &mut Self {
        self.push(Change::SetOption(TableOption::WithoutRowid))
    }

    /// Stores the table by rowid.
    pub fn make_with_rowid(&mut self) -> &mut Self {
        self.push(Change::SetOption(TableOption::WithRowid))
    }

    /// Fills a column, new or old, with an expression over the row as it was.
    pub fn copy_expr(&mut self, column: impl Into<String>, sql: impl Into<String>) -> &mut Self {
        self.push(Change::CopyExpression { column: column.into(), sql: sql.into() })
    }

    /// Replaces the whole definition, for what no other call can say.
    ///
    /// `sql` is a `CREATE TABLE` with the table's own name. A column that
    /// `column_map` names gets the expression; others keep the values of the
    /// column of the same name, or get their default. A column whose values
    /// would be lost must be named by [`drop_column`](Self::drop_column).
    pub fn new_sql(&mut self, sql: impl Into<String>, column_map: &[(&str, &str)]) -> &mut Self {
        let column_map = column_map
            .iter()
            .map(|(column, expression)| ((*column).to_owned(), (*expression).to_owned()))
            .collect();
        self.push(Change::NewSql { sql: sql.into(), column_map })
    }
}

/// A column that was just added.
#[derive(Debug)]
pub struct AddedColumn<'changes>(&'changes mut TableChanges);

impl AddedColumn<'_> {
    /// Says where it stands.
    pub fn at(self, new_place: Place) {
        if let Some(Change::AddColumn { place, .. }) = self.0.changes.last_mut() {
            *place = new_place;
        }
    }
}

/// A foreign key that was just added.
#[derive(Debug)]
pub struct AddedForeignKey<'changes>(&'changes mut TableChanges);

impl AddedForeignKey<'_> {
    /// Gives it a name, for [`drop_constraint`](TableChanges::drop_constraint).
    pub fn named(&mut self, new_name: impl Into<String>) -> &mut Self {
        self.edit(|key| key.name = Some(new_name.into()))
    }

    /// Says what happens when the parent's row is deleted.
    pub fn on_delete(&mut self, action: ForeignKeyAction) -> &mut Self {
        self.edit(|key| key.on_delete = Some(action))
    }

    /// Says what happens when the parent's key changes.
    pub fn on_update(&mut self, action: ForeignKeyAction) -> &mut Self {
        self.edit(|key| key.on_update = Some(action))
    }

    /// Checks it at the end of the transaction.
    pub fn deferred(&mut self) -> &mut Self {
        self.edit(|key| key.is_deferred = true)
    }

    fn edit(&mut self, change: impl FnOnce(&mut ForeignKey)) -> &mut Self {
        if let Some(Change::AddForeignKey(key)) = self.0.changes.last_mut() {
            change(key);
        }
        self
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
