//! Pieces taken out of a definition and put into it, with the commas and spaces that go with them.
//!
//! Comments stay, and none ever swallows what follows it.

use std::ops::Range;

use super::clauses::{ColumnDefinition, ConstraintDefinition};
use super::definition::Definition;

impl Definition<'_> {
    /// Adds a constraint of the table, after everything in the list.
    pub(super) fn with_constraint(&self, clause: &str) -> String {
        let columns = self.columns.iter().map(|column| &column.tokens);
        let constraints = self.constraints.iter().map(|constraint| &constraint.tokens);
        let gap = columns.chain(constraints).last().map_or(" ", |last| self.gap_before(last));
        let close = self.close;
        let end = self.bytes(&(close - 1..close)).end;
        self.inserted(end, &format!(",{gap}{clause}"))
    }

    /// Removes a constraint of a column or of the table.
    pub(super) fn without_constraint(
        &self,
        column: Option<&ColumnDefinition>,
        constraint: &ConstraintDefinition,
    ) -> String {
        match column {
            Some(_) => self.without(&constraint.tokens),
            None => self.without_item(&constraint.tokens),
        }
    }

    /// The constraint without the name before it.
    pub(super) fn body(&self, constraint: &ConstraintDefinition) -> Range<usize> {
        let mut start = constraint.tokens.start;
        while self.tokens[start].is_word("CONSTRAINT") {
            start += 2;
        }
        start..constraint.tokens.end
    }

    /// The white space before an item, to set the next one in the same way.
    pub(super) fn gap_before(&self, item: &Range<usize>) -> &str {
        let before = &self.tokens[item.start - 1];
        let gap = &self.sql[before.end()..self.tokens[item.start].start];
        if gap.is_empty() || !gap.trim().is_empty() { " " } else { gap }
    }

    /// Removes one item of the list and the comma that belongs to it. Comments stay.
    pub(super) fn without_item(&self, item: &Range<usize>) -> String {
        let tokens = &self.tokens;
        let sql = self.sql;
        let (before, after) = (&tokens[item.start - 1], &tokens[item.end]);
        let bytes = self.bytes(item);
        let ends_list = after.is_operator(",") || after.is_operator(")");
        if before.is_operator(",") && ends_list {
            let gap = &sql[before.end()..bytes.start];
            if gap.trim().is_empty() {
                return format!("{}{}", &sql[..before.start], &sql[bytes.end..]);
            }
            return format!("{}{gap}{}", &sql[..before.start], &sql[bytes.end..]);
        }
        if before.is_operator("(") && after.is_operator(",") {
            let gap = &sql[bytes.end..after.start];
            let kept = if gap.trim().is_empty() { "" } else { gap };
            return format!(
                "{}{kept}{}",
                &sql[..bytes.start],
                sql[after.end()..].trim_ascii_start()
            );
        }
        self.without(item)
    }

    /// Removes tokens and the white space before them.
    pub(super) fn without(&self, tokens: &Range<usize>) -> String {
        let sql = self.sql;
        let bytes = self.bytes(tokens);
        let kept = &sql[..bytes.start];
        let ends_with_line_comment = tokens.start > 0
            && sql[self.tokens[tokens.start - 1].end()..bytes.start].contains("--");
        let before = if ends_with_line_comment { kept } else { kept.trim_ascii_end() };
        let after = &sql[bytes.end..];
        let stands_apart =
            after.is_empty() || after.starts_with([' ', '\t', '\n', '\r', '\x0c', ',', ')']);
        format!("{before}{}{after}", if stands_apart { "" } else { " " })
    }

    pub(super) fn replaced(&self, bytes: Range<usize>, with: &str) -> String {
        let sql = self.sql;
        let after = &sql[bytes.end..];
        let stands_apart =
            after.is_empty() || after.starts_with([' ', '\t', '\n', '\r', '\x0c', ',', ')']);
        format!("{}{with}{}{after}", &sql[..bytes.start], if stands_apart { "" } else { " " })
    }

    pub(super) fn inserted(&self, at: usize, text: &str) -> String {
        self.replaced(at..at, text)
    }
}
