//! AM502, AM503: what works, and is not what its author thinks.

use std::collections::BTreeSet;

use super::facts::{Facts, Passage, WayBack};
use super::report::Found;
use super::rules;
use super::statement::Act;
use crate::schema::normalise::same_statement;
use crate::schema::read::Object;

/// Looks at the statements of an upgrade and of its downgrade.
pub(super) fn judge(facts: &Facts, found: &mut Vec<Found>) {
    let Some(up) = &facts.up else { return };
    without_effect(up, found);
    if let Some(WayBack::Done(restored)) = &facts.down {
        without_effect(&restored.passage, found);
    }
    for (database, after) in &up.after.0 {
        let before = &up.before.0[database];
        for (name, table) in &after.tables {
            let known = before.table(name).map(|table| &table.unindexed);
            for key in
                table.unindexed.iter().filter(|key| known.is_none_or(|known| !known.contains(*key)))
            {
                let message = format!(
                    "no index of `{name}` begins with the columns of its foreign key {key}"
                );
                found.push(Found::new(&rules::FOREIGN_KEY_WITHOUT_INDEX, message).on(database));
            }
        }
    }
}

/// Finds statements that `IF [NOT] EXISTS` let pass.
fn without_effect(passage: &Passage, found: &mut Vec<Found>) {
    for (database, before) in &passage.before.0 {
        let objects = before.schema.objects().iter();
        let mut there: BTreeSet<String> = objects.map(|object| folded(&object.name)).collect();
        for (ran, act) in passage.acts(database) {
            let message = match &act {
                Act::Create { name, if_not_exists } => {
                    let is_new = there.insert(folded(name));
                    (!is_new && *if_not_exists).then(|| {
                        let stored = before
                            .schema
                            .objects()
                            .iter()
                            .find(|object| folded(&object.name) == folded(name));
                        existing(name, stored, &ran.sql)
                    })
                }
                Act::Drop { kind, name, if_exists } => {
                    let was_there = there.remove(&folded(name));
                    (!was_there && *if_exists)
                        .then(|| format!("there is no {kind} `{name}` here: it drops nothing"))
                }
                Act::RenameTable { from, to } => {
                    there.remove(&folded(from));
                    there.insert(folded(to));
                    None
                }
                _ => None,
            };
            if let Some(message) = message {
                found.push(Found::new(&rules::NO_EFFECT, message).on(database).by(Some(&ran.sql)));
            }
        }
    }
}

fn existing(name: &str, stored: Option<&Object>, sql: &str) -> String {
    let wanted = without_condition(sql);
    match stored {
        Some(object) if !same_statement(&object.sql, &wanted) => {
            format!(
                "`{name}` is there already, and another one than this statement says: it makes nothing"
            )
        }
        _ => format!("`{name}` is there already: it makes nothing"),
    }
}

/// SQLite stores a statement without its `IF NOT EXISTS`.
fn without_condition(sql: &str) -> String {
    let tokens = crate::schema::tokens::significant_tokens(sql);
    let at = tokens.windows(3).position(|words| {
        words[0].is_word("IF") && words[1].is_word("NOT") && words[2].is_word("EXISTS")
    });
    match at {
        Some(at) => format!("{}{}", &sql[..tokens[at].start], &sql[tokens[at + 2].end()..]),
        None => sql.to_owned(),
    }
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}
