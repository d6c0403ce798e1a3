//! What a statement says that it does: only to name the one that did what was seen.

use super::facts::{Passage, Ran};
use crate::schema::tokens::{Token, significant_tokens};

/// What a statement does to the schema or to rows, by its first words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Create { name: String, if_not_exists: bool },
    Drop { kind: String, name: String, if_exists: bool },
    RenameTable { from: String, to: String },
    RenameColumn { table: String, from: String, to: String },
    DropColumn { table: String, column: String },
    AlterTable { table: String },
    Delete { table: String },
    Update { table: String },
    Other,
}

/// Reads the first words of a statement.
pub(super) fn act(sql: &str) -> Act {
    let tokens = significant_tokens(sql);
    let mut words = Words { tokens: &tokens, at: 0 };
    read(&mut words).unwrap_or(Act::Other)
}

fn read(words: &mut Words<'_>) -> Option<Act> {
    if words.take("CREATE") {
        while ["UNIQUE", "VIRTUAL", "TEMP", "TEMPORARY"].iter().any(|word| words.take(word)) {}
        words.kind()?;
        let if_not_exists = words.take_all(&["IF", "NOT", "EXISTS"]);
        return Some(Act::Create { name: words.name()?, if_not_exists });
    }
    if words.take("DROP") {
        let kind = words.kind()?;
        let if_exists = words.take_all(&["IF", "EXISTS"]);
        return Some(Act::Drop { kind, name: words.name()?, if_exists });
    }
    if words.take_all(&["ALTER", "TABLE"]) {
        let table = words.name()?;
        return Some(alteration(words, &table).unwrap_or(Act::AlterTable { table }));
    }
    if words.take_all(&["DELETE", "FROM"]) {
        return Some(Act::Delete { table: words.name()? });
    }
    if words.take("UPDATE") {
        if words.take("OR") {
            words.at += 1;
        }
        return Some(Act::Update { table: words.name()? });
    }
    None
}

fn alteration(words: &mut Words<'_>, table: &str) -> Option<Act> {
    let table = table.to_owned();
    if words.take("RENAME") {
        if words.take("TO") {
            return Some(Act::RenameTable { from: table, to: words.name()? });
        }
        words.take("COLUMN");
        let from = words.name()?;
        return words.take("TO").then(|| words.name()).flatten().map(|to| Act::RenameColumn {
            table,
            from,
            to,
        });
    }
    if words.take("DROP") {
        if words.take("CONSTRAINT") {
            return None;
        }
        words.take("COLUMN");
        return Some(Act::DropColumn { table, column: words.name()? });
    }
    None
}

struct Words<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl Words<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is_it = self.tokens.get(self.at).is_some_and(|token| token.is_word(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn take_all(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        let all = words.iter().all(|word| self.take(word));
        if !all {
            self.at = start;
        }
        all
    }

    fn kind(&mut self) -> Option<String> {
        let kinds = ["table", "index", "view", "trigger"];
        kinds.into_iter().find(|kind| self.take(kind)).map(ToOwned::to_owned)
    }

    /// Reads a name, with the name of its schema before it or not.
    fn name(&mut self) -> Option<String> {
        let first = self.tokens.get(self.at)?.name()?;
        self.at += 1;
        if self.tokens.get(self.at).is_some_and(|token| token.is_operator(".")) {
            let second = self.tokens.get(self.at + 1)?.name()?;
            self.at += 2;
            return Some(second);
        }
        Some(first)
    }
}

impl Passage {
    /// Returns the statements that ran on a database, with what each does.
    pub(super) fn acts<'a>(
        &'a self,
        database: &'a str,
    ) -> impl Iterator<Item = (&'a Ran, Act)> + 'a {
        self.statements
            .iter()
            .filter(move |ran| ran.database == database)
            .map(|ran| (ran, act(&ran.sql)))
    }

    /// Finds the statement of a database that does what is asked for.
    pub(super) fn statement_that<'a>(
        &'a self,
        database: &'a str,
        wanted: impl Fn(&Act) -> bool,
    ) -> Option<&'a str> {
        self.acts(database).find(|(_, act)| wanted(act)).map(|(ran, _)| ran.sql.as_str())
    }
}

/// Compares names as SQLite does.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_say_what_a_statement_does() {
        let drop = |kind: &str, name: &str, if_exists| Act::Drop {
            kind: kind.to_owned(),
            name: name.to_owned(),
            if_exists,
        };
        assert_eq!(act("drop /* x */ table if exists main.\"a b\""), drop("table", "a b", true));
        assert_eq!(act("DROP INDEX i"), drop("index", "i", false));
        let create = Act::Create { name: "i".to_owned(), if_not_exists: true };
        assert_eq!(act("CREATE UNIQUE INDEX IF NOT EXISTS i ON t(a)"), create);
        let column = Act::DropColumn { table: "t".to_owned(), column: "a".to_owned() };
        assert_eq!(act("ALTER TABLE t DROP a"), column);
        let rename =
            Act::RenameColumn { table: "t".to_owned(), from: "a".to_owned(), to: "b".to_owned() };
        assert_eq!(act("ALTER TABLE [t] RENAME a TO b"), rename);
        assert_eq!(act("UPDATE OR IGNORE t SET a = 1"), Act::Update { table: "t".to_owned() });
        assert_eq!(act("SELECT 1"), Act::Other);
        assert_eq!(
            act("ALTER TABLE t DROP CONSTRAINT c"),
            Act::AlterTable { table: "t".to_owned() }
        );
    }
}
