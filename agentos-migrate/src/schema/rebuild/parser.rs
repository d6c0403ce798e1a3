//! SQLite's grammar of tables (`parse.y`: `create_table`, `ccons`, `tcons`), and nothing beyond it.
//!
//! What it does not know is a refusal, never a guess.

use std::ops::Range;

use crate::schema::keywords::{WordKind, word_kind};
use crate::schema::tokens::TokenKind;

use super::clauses::{
    ColumnDefinition, ConstraintDefinition, ConstraintKind, TableOptionDefinition,
};
use super::cursor::{Cursor, Expected};

/// The parts of a table's statement.
pub(super) struct CreateTable {
    pub(super) name: usize,
    pub(super) close: usize,
    pub(super) columns: Vec<ColumnDefinition>,
    pub(super) constraints: Vec<ConstraintDefinition>,
    pub(super) options: Vec<TableOptionDefinition>,
}

impl Cursor<'_, '_> {
    /// Reads a whole `CREATE TABLE`.
    pub(super) fn create_table(&mut self) -> Result<CreateTable, Expected> {
        self.expect_words(&["CREATE", "TABLE"])?;
        let name = self.at;
        self.expect_name()?;
        self.expect_operator("(")?;
        let mut columns = Vec::new();
        let mut constraints = Vec::new();
        loop {
            if self.starts_table_constraint() {
                self.table_constraints(&mut constraints)?;
            } else if constraints.is_empty() {
                columns.push(self.column()?);
            } else {
                return Err("a constraint of the table".to_owned());
            }
            if !self.take_operator(",") {
                break;
            }
        }
        let close = self.at;
        self.expect_operator(")")?;
        let options = self.table_options()?;
        self.take_operator(";");
        self.expect_end()?;
        Ok(CreateTable { name, close, columns, constraints, options })
    }

    /// Reads the definition of one column and nothing after it.
    pub(super) fn lone_column(&mut self) -> Result<ColumnDefinition, Expected> {
        if self.starts_table_constraint() {
            return Err("the name of a column".to_owned());
        }
        let column = self.column()?;
        self.expect_end()?;
        Ok(column)
    }

    fn column(&mut self) -> Result<ColumnDefinition, Expected> {
        let start = self.at;
        let name = self.expect_name()?;
        let type_start = self.at;
        while self.continues_type() {
            self.at += 1;
        }
        if self.at > type_start && self.peek_operator("(") {
            self.balanced()?;
        }
        let declared_type = type_start..self.at;
        let mut constraints = Vec::new();
        while let Some(constraint) = self.column_constraint()? {
            constraints.push(constraint);
        }
        Ok(ColumnDefinition { name, tokens: start..self.at, declared_type, constraints })
    }

    /// A type is any run of words that no constraint starts with.
    fn continues_type(&self) -> bool {
        let Some(token) = self.peek() else { return false };
        match token.kind {
            TokenKind::Quoted | TokenKind::Text => true,
            TokenKind::Word if token.is_word("GENERATED") => !self.peek_is_word(1, "ALWAYS"),
            TokenKind::Word => word_kind(token.text) != WordKind::Reserved,
            _ => false,
        }
    }

    fn column_constraint(&mut self) -> Result<Option<ConstraintDefinition>, Expected> {
        let start = self.at;
        let name = self.constraint_name()?;
        let mut conflict = self.at..self.at;
        let kind = if self.take_word("DEFAULT") {
            self.default_value()?;
            ConstraintKind::Default
        } else if self.take_word("NULL") {
            conflict = self.conflict()?;
            ConstraintKind::Null
        } else if self.starts_deferral() {
            self.deferral()?;
            ConstraintKind::Deferral
        } else if self.take_word("NOT") {
            self.expect_words(&["NULL"])?;
            conflict = self.conflict()?;
            ConstraintKind::NotNull
        } else if self.take_word("PRIMARY") {
            self.expect_words(&["KEY"])?;
            let _ = self.take_word("ASC") || self.take_word("DESC");
            conflict = self.conflict()?;
            self.key_kind()
        } else if self.take_word("UNIQUE") {
            conflict = self.conflict()?;
            ConstraintKind::Unique
        } else if self.take_word("CHECK") {
            self.balanced()?;
            conflict = self.conflict()?;
            ConstraintKind::Check
        } else if self.take_word("REFERENCES") {
            self.references()?;
            ConstraintKind::ForeignKey
        } else if self.take_word("COLLATE") {
            self.expect_name()?;
            ConstraintKind::Collate
        } else if self.peek_is_word(0, "GENERATED") || self.peek_is_word(0, "AS") {
            self.generated()?
        } else if name.is_some() {
            ConstraintKind::NameAlone
        } else {
            return Ok(None);
        };
        Ok(Some(ConstraintDefinition {
            kind,
            name,
            tokens: start..self.at,
            columns: Vec::new(),
            conflict,
        }))
    }

    /// `CONSTRAINT a CONSTRAINT b …` names it `b`.
    fn constraint_name(&mut self) -> Result<Option<String>, Expected> {
        let mut name = None;
        while self.take_word("CONSTRAINT") {
            name = Some(self.expect_name()?);
        }
        Ok(name)
    }

    fn default_value(&mut self) -> Result<(), Expected> {
        if self.peek_operator("(") {
            return self.balanced();
        }
        let _ = self.take_operator("-") || self.take_operator("+");
        match self.peek().map(|token| token.kind) {
            Some(TokenKind::Operator | TokenKind::Illegal | TokenKind::Variable) | None => {
                Err("a default value".to_owned())
            }
            Some(_) => {
                self.at += 1;
                Ok(())
            }
        }
    }

    fn key_kind(&mut self) -> ConstraintKind {
        if self.take_word("AUTOINCREMENT") {
            ConstraintKind::PrimaryKeyAutoincrement
        } else {
            ConstraintKind::PrimaryKey
        }
    }

    fn conflict(&mut self) -> Result<Range<usize>, Expected> {
        let start = self.at;
        if self.peek_is_word(0, "ON") && self.peek_is_word(1, "CONFLICT") {
            self.at += 2;
            self.expect_name()?;
        }
        Ok(start..self.at)
    }

    fn generated(&mut self) -> Result<ConstraintKind, Expected> {
        if self.take_word("GENERATED") {
            self.expect_words(&["ALWAYS"])?;
        }
        self.expect_words(&["AS"])?;
        self.balanced()?;
        let is_stored = self.take_word("STORED");
        if !is_stored {
            self.take_word("VIRTUAL");
        }
        Ok(if is_stored { ConstraintKind::GeneratedStored } else { ConstraintKind::Generated })
    }

    /// What follows `REFERENCES`.
    fn references(&mut self) -> Result<(), Expected> {
        self.expect_name()?;
        if self.peek_operator("(") {
            self.balanced()?;
        }
        loop {
            if self.starts_deferral() {
                self.deferral()?;
            } else if self.take_word("MATCH") {
                self.expect_name()?;
            } else if self.take_word("ON") {
                let event = self.take_word("DELETE")
                    || self.take_word("UPDATE")
                    || self.take_word("INSERT");
                let action = if self.take_word("SET") {
                    self.take_word("NULL") || self.take_word("DEFAULT")
                } else if self.take_word("NO") {
                    self.take_word("ACTION")
                } else {
                    self.take_word("CASCADE") || self.take_word("RESTRICT")
                };
                if !event || !action {
                    return Err("an action of a foreign key".to_owned());
                }
            } else {
                return Ok(());
            }
        }
    }

    fn starts_deferral(&self) -> bool {
        let negated = usize::from(self.peek_is_word(0, "NOT"));
        self.peek_is_word(negated, "DEFERRABLE")
    }

    fn deferral(&mut self) -> Result<(), Expected> {
        self.take_word("NOT");
        self.expect_words(&["DEFERRABLE"])?;
        if self.take_word("INITIALLY")
            && !self.take_word("DEFERRED")
            && !self.take_word("IMMEDIATE")
        {
            return Err("`DEFERRED` or `IMMEDIATE`".to_owned());
        }
        Ok(())
    }

    fn starts_table_constraint(&self) -> bool {
        ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
            .iter()
            .any(|word| self.peek_is_word(0, word))
    }

    /// SQLite lets the commas between them away.
    fn table_constraints(
        &mut self,
        constraints: &mut Vec<ConstraintDefinition>,
    ) -> Result<(), Expected> {
        while self.starts_table_constraint() {
            let start = self.at;
            let name = self.constraint_name()?;
            let mut columns = Vec::new();
            let mut conflict = self.at..self.at;
            let kind = if self.take_word("PRIMARY") {
                self.expect_words(&["KEY"])?;
                columns = self.column_list()?;
                conflict = self.conflict()?;
                let is_autoincrement =
                    self.tokens[start..self.at].iter().any(|token| token.is_word("AUTOINCREMENT"));
                if is_autoincrement {
                    ConstraintKind::PrimaryKeyAutoincrement
                } else {
                    ConstraintKind::PrimaryKey
                }
            } else if self.take_word("UNIQUE") {
                columns = self.column_list()?;
                conflict = self.conflict()?;
                ConstraintKind::Unique
            } else if self.take_word("CHECK") {
                self.balanced()?;
                conflict = self.conflict()?;
                ConstraintKind::Check
            } else if self.take_word("FOREIGN") {
                self.expect_words(&["KEY"])?;
                columns = self.column_list()?;
                self.expect_words(&["REFERENCES"])?;
                self.references()?;
                ConstraintKind::ForeignKey
            } else {
                ConstraintKind::NameAlone
            };
            constraints.push(ConstraintDefinition {
                kind,
                name,
                tokens: start..self.at,
                columns,
                conflict,
            });
        }
        Ok(())
    }

    /// Takes `(a, b COLLATE c DESC)` and returns `a` and `b`.
    fn column_list(&mut self) -> Result<Vec<String>, Expected> {
        let open = self.at;
        self.balanced()?;
        let mut columns = Vec::new();
        for at in open..self.at - 1 {
            if at == open || self.tokens[at].is_operator(",") {
                let name = self.tokens[at + 1].name().ok_or("the name of a column")?;
                columns.push(name);
            }
        }
        Ok(columns)
    }

    fn table_options(&mut self) -> Result<Vec<TableOptionDefinition>, Expected> {
        let mut options = Vec::new();
        loop {
            let start = self.at;
            if self.take_word("STRICT") {
                options.push(TableOptionDefinition { is_strict: true, tokens: start..self.at });
            } else if self.take_word("WITHOUT") {
                self.expect_words(&["ROWID"])?;
                options.push(TableOptionDefinition { is_strict: false, tokens: start..self.at });
            } else if options.is_empty() {
                return Ok(options);
            } else {
                return Err("`STRICT` or `WITHOUT ROWID`".to_owned());
            }
            if !self.take_operator(",") {
                return Ok(options);
            }
        }
    }
}
