//! The rules of the lint: codes that stay, with what each means and the way out.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data is lost, or the migration does not run.
    Error,
    /// Somebody has to have thought of it.
    Warning,
}

/// A rule: what a finding is about. Codes do not change and are not used again.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintRule {
    /// The code, such as `AM102`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

macro_rules! rules {
    ($($name:ident = $code:literal, $severity:ident, $title:literal, $fix:literal;)*) => {
        $(pub(crate) const $name: LintRule = LintRule {
            code: $code, severity: Severity::$severity, title: $title, fix: $fix,
        };)*

        /// Every rule, in the order of the codes.
        pub(crate) const ALL: &[LintRule] = &[$($name),*];
    };
}

rules! {
    TABLE_DROPPED = "AM101", Error, "table dropped with its rows",
        "copy the rows to where they belong before, or declare the loss: `deletes = [\"the_table\"]`";
    COLUMN_DROPPED = "AM102", Error, "column dropped with its values",
        "copy the values to where they belong before, or say why nobody needs them: `allow = [\"AM102: why\"]`";
    LOST_THROUGH_TRIGGER = "AM103", Error, "rows lost through a trigger",
        "drop the trigger for the time of the change, or declare the loss: `deletes = [\"the_table\"]`";
    CHILDREN_ORPHANED = "AM104", Error, "children left without their parent",
        "delete or repoint the children in the same migration, before their parents";
    ROWS_DELETED = "AM105", Warning, "rows deleted that `deletes` does not declare",
        "declare what is meant: `deletes = [\"the_table\"]`, or narrow the statement";
    COLUMN_OVERWRITTEN = "AM106", Error, "every value of a column replaced by one",
        "add the `WHERE` that is missing, or write the new value into a new column";
    VALUES_CONVERTED = "AM107", Error, "values changed with the type of their column",
        "convert them on purpose, with `copy_expr` in `rebuild_table`, or keep the type";
    REBUILT_BY_HAND = "AM108", Error, "table made anew by hand, and not all of it",
        "write `ctx.rebuild_table(database, table, |t| …)`, which keeps everything, or create again what is listed";
    OBJECT_BROKEN = "AM109", Error, "view, trigger or foreign key that does not work any more",
        "drop it before the change and create it again after; make a new table under a new name and rename that one, never the old one";
    NOT_NULL_WITHOUT_DEFAULT = "AM201", Error, "NOT NULL column without a default on a table with rows",
        "add a default, or fill it row by row: `ctx.rebuild_table(database, table, |t| { t.add_column(\"…\"); t.copy_expr(…); })`";
    DEFAULT_NOT_CONSTANT = "AM202", Error, "column with a computed default on a table with rows",
        "use `ctx.rebuild_table`, which computes it for each row, or add the column without a default and fill it by an UPDATE";
    DUPLICATES = "AM203", Error, "unique key on values that occur twice",
        "merge or renumber the duplicates in the same migration, before the key";
    NULLS = "AM204", Error, "NOT NULL on values that are NULL",
        "fill them before: `UPDATE … SET … WHERE … IS NULL`, or `copy_expr` with `coalesce`";
    CHECK_FAILS = "AM205", Error, "CHECK that rows do not satisfy",
        "mend the rows before, or write the check so that old rows pass";
    WRONG_TYPE_STORED = "AM206", Error, "values of a type that the column does not take",
        "convert them before: `CAST(… AS …)`, or `copy_expr`; make the table STRICT afterwards";
    WRONG_TYPE_READ = "AM207", Warning, "values read as a type that they may not have",
        "read a `Value`, which may be of any type, or ask for the right ones: `WHERE typeof(…) = 'text'`";
    NULL_READ = "AM208", Error, "NULL read as a type that has none",
        "read an `Option`, or leave such rows out: `WHERE … IS NOT NULL`";
    FAILS_ON_ROWS = "AM210", Error, "fails on tables that hold rows",
        "run it with the rows shown: `testing::Harness::at` stands at the version before";
    FAILS_ON_EMPTY = "AM211", Error, "fails on empty databases",
        "a new installation runs it on tables without rows: read with `query_map` or an aggregate where `query_row` finds none, and write a parent before the children that it needs";
    SCHEMA_NOT_RESTORED = "AM301", Error, "downgrade that does not restore the schema",
        "undo every change in the reverse order, or say why not: `irreversible = \"why\"`";
    DATA_NOT_RESTORED = "AM302", Error, "downgrade that loses data and does not say so",
        "keep the old values where the downgrade finds them, or say why not: `irreversible = \"why\"`";
    NO_WAY_BACK = "AM303", Warning, "neither a downgrade nor a reason",
        "write `downgrade = function`, or `irreversible = \"why\"`";
    DOWNGRADE_FAILS = "AM304", Error, "downgrade that fails",
        "let it cope with the rows shown, or say why not: `irreversible = \"why\"`";
    NOT_REPEATABLE = "AM305", Error, "can't be applied again after its downgrade",
        "let the downgrade remove everything that the migration makes";
    TABLE_RENAMED = "AM401", Warning, "table renamed",
        "leave a view of the old name for programs that are still running, or say that there are none: `allow = [\"AM401: why\"]`";
    COLUMN_RENAMED = "AM402", Warning, "column renamed",
        "add the new one beside the old and drop that in a later release, or say that nobody reads it: `allow = [\"AM402: why\"]`";
    COLUMN_REQUIRED = "AM403", Warning, "new column that every INSERT has to name",
        "give it a default, so that programs of the version before can go on writing";
    ENGINE_OWNED_SQL = "AM501", Error, "transaction control or settings of the engine",
        "remove it: the engine begins, commits and sets; `ctx.savepoint` nests, `transaction = \"manual\"` hands commits to the author";
    NO_EFFECT = "AM502", Warning, "IF [NOT] EXISTS that hides a statement without effect",
        "leave `IF [NOT] EXISTS` out, so that a surprise is an error, or ask first: `ctx.table_exists`, `ctx.column_exists`";
    FOREIGN_KEY_WITHOUT_INDEX = "AM503", Warning, "foreign key without an index on the child's columns",
        "create one: every delete of a parent reads the whole child table without it";
    ALLOW_UNUSED = "AM901", Warning, "allow without a finding",
        "remove the line";
}

/// Finds a rule by its code.
pub(crate) fn find(code: &str) -> Option<&'static LintRule> {
    ALL.iter().find(|rule| rule.code == code)
}

impl LintRule {
    /// Returns every rule, in the order of the codes.
    pub fn all() -> &'static [Self] {
        ALL
    }
}
