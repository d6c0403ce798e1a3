//! What the statement of a table consists of: columns, constraints and options, as ranges of its tokens.

use std::ops::Range;

/// One column.
#[derive(Debug)]
pub(super) struct ColumnDefinition {
    pub(super) name: String,
    pub(super) tokens: Range<usize>,
    /// The declared type; empty if there is none.
    pub(super) declared_type: Range<usize>,
    pub(super) constraints: Vec<ConstraintDefinition>,
}

/// One constraint of a column or of the table.
#[derive(Debug)]
pub(super) struct ConstraintDefinition {
    pub(super) kind: ConstraintKind,
    pub(super) name: Option<String>,
    /// From `CONSTRAINT`, where it is named, to its last word.
    pub(super) tokens: Range<usize>,
    /// The columns of the table that it lists; none for a column's own constraint.
    pub(super) columns: Vec<String>,
    /// The `ON CONFLICT …` clause.
    pub(super) conflict: Range<usize>,
}

/// What a constraint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConstraintKind {
    PrimaryKey,
    PrimaryKeyAutoincrement,
    NotNull,
    Null,
    Unique,
    Check,
    Default,
    Collate,
    ForeignKey,
    /// `DEFERRABLE …` apart from its `REFERENCES`.
    Deferral,
    Generated,
    GeneratedStored,
    /// `CONSTRAINT name` with nothing after it, which SQLite accepts.
    NameAlone,
}

/// `STRICT` or `WITHOUT ROWID`.
#[derive(Debug)]
pub(super) struct TableOptionDefinition {
    pub(super) is_strict: bool,
    pub(super) tokens: Range<usize>,
}

impl ColumnDefinition {
    /// Finds the column's constraint of one of these kinds.
    pub(super) fn constraint(&self, kinds: &[ConstraintKind]) -> Option<&ConstraintDefinition> {
        self.constraints.iter().find(|constraint| kinds.contains(&constraint.kind))
    }

    pub(super) fn is_generated(&self) -> bool {
        self.constraint(&[ConstraintKind::Generated, ConstraintKind::GeneratedStored]).is_some()
    }
}

impl ConstraintDefinition {
    pub(super) fn is_primary_key(&self) -> bool {
        matches!(self.kind, ConstraintKind::PrimaryKey | ConstraintKind::PrimaryKeyAutoincrement)
    }

    /// Asks whether it decides one of the facts that a pragma tells of a column.
    pub(super) fn decides(&self, fact: &str) -> bool {
        match self.kind {
            ConstraintKind::PrimaryKey | ConstraintKind::PrimaryKeyAutoincrement => {
                matches!(fact, "key" | "not null")
            }
            ConstraintKind::NotNull => fact == "not null",
            ConstraintKind::Default => fact == "default",
            ConstraintKind::Generated | ConstraintKind::GeneratedStored => fact == "visibility",
            _ => false,
        }
    }
}
