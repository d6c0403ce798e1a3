//! Calls of the context's methods in a function's tokens: `ctx.execute("db", "SQL", …)`.
//!
//! Only literals that stand in the call are looked at; everything else is
//! passed over in silence.

use std::borrow::Cow;
use std::collections::BTreeSet;

use proc_macro2::Delimiter;

use crate::lexer::Tree;
use crate::near;
use crate::sql::{self, Use};

/// Something wrong at a literal.
pub(crate) struct Finding<'a> {
    pub(crate) literal: &'a Tree<'a>,
    pub(crate) text: String,
}

/// How a method takes its arguments. Their number tells it from a method of
/// another type that has the same name, such as `Connection::execute`.
struct Method {
    name: &'static str,
    arity: usize,
    usage: Use,
    /// Where databases stand.
    databases: &'static [usize],
    /// Where SQL stands.
    sql: &'static [usize],
    /// Where the parameters of the statement stand.
    parameters: Option<usize>,
}

const fn runs(name: &'static str, arity: usize, usage: Use, parameters: Option<usize>) -> Method {
    Method { name, arity, usage, databases: &[0], sql: &[1], parameters }
}

const fn asks(name: &'static str, arity: usize) -> Method {
    Method { name, arity, usage: Use::One, databases: &[0], sql: &[], parameters: None }
}

const METHODS: &[Method] = &[
    runs("execute", 3, Use::One, Some(2)),
    runs("execute_many", 3, Use::One, None),
    runs("execute_batch", 2, Use::Many, None),
    runs("query_row", 4, Use::One, Some(2)),
    runs("query_map", 4, Use::One, Some(2)),
    runs("query_one", 4, Use::One, Some(2)),
    Method {
        name: "copy_rows",
        arity: 4,
        usage: Use::One,
        databases: &[0, 2],
        sql: &[1, 3],
        parameters: None,
    },
    asks("connection", 1),
    asks("table_exists", 2),
    asks("column_exists", 3),
    asks("index_exists", 2),
    asks("view_exists", 2),
    asks("trigger_exists", 2),
    asks("table_columns", 2),
    asks("database_existed", 1),
    asks("rebuild_table", 3),
    asks("savepoint", 2),
    asks("db_path", 1),
    asks("vacuum", 1),
    asks("commit", 1),
    asks("rollback", 1),
];

/// Looks at every call in the tokens; `databases` are those that the migration names, if that is to be judged.
pub(crate) fn check<'a>(trees: &'a [Tree<'a>], databases: Option<&[String]>) -> Vec<Finding<'a>> {
    let mut contexts = BTreeSet::new();
    find_contexts(trees, &mut contexts);
    let mut look = Look { databases, contexts, findings: Vec::new() };
    look.at(trees);
    look.findings
}

struct Look<'a, 'd> {
    databases: Option<&'d [String]>,
    contexts: BTreeSet<&'a str>,
    findings: Vec<Finding<'a>>,
}

impl<'a> Look<'a, '_> {
    fn at(&mut self, trees: &'a [Tree<'a>]) {
        for (index, tree) in trees.iter().enumerate() {
            let Tree::Group(delimiter, inner) = tree else { continue };
            if *delimiter == Delimiter::Parenthesis
                && let [receiver @ .., Tree::Sign('.', _), Tree::Name(name)] =
                    without_generics(&trees[..index])
                && let Some(method) = METHODS.iter().find(|method| name == method.name)
                && (method.arity > 1 || self.is_context(receiver))
            {
                method.check(&arguments(inner), self.databases, &mut self.findings);
            }
            self.at(inner);
        }
    }

    /// Methods of one argument, such as `commit`, are methods of many types.
    fn is_context(&self, receiver: &[Tree<'_>]) -> bool {
        let (last, before) = match receiver {
            [before @ .., last] => (last.name(), before),
            [] => return false,
        };
        let is_field = before.last().is_some_and(|tree| tree.is_sign('.') || tree.is_sign(':'));
        !is_field && last.is_some_and(|name| self.contexts.contains(name))
    }
}

/// Finds the parameters whose type is a context: `name: &mut MigrationContext`.
fn find_contexts<'a>(trees: &'a [Tree<'a>], found: &mut BTreeSet<&'a str>) {
    for (index, tree) in trees.iter().enumerate() {
        if let Tree::Group(_, inner) = tree {
            find_contexts(inner, found);
        }
        if let (true, Some(name)) =
            (tree.is_sign(':'), index.checked_sub(1).and_then(|before| trees[before].name()))
        {
            let kind = trees[index + 1..].iter().take_while(|tree| !tree.is_sign(','));
            let mut words = kind.filter_map(Tree::name);
            if words.any(|word| word.ends_with("Context")) {
                found.insert(name);
            }
        }
    }
}

/// Cuts `::<…>` off the end.
fn without_generics<'a>(trees: &'a [Tree<'a>]) -> &'a [Tree<'a>] {
    let mut depth = 0_usize;
    for (index, tree) in trees.iter().enumerate().rev() {
        if tree.is_sign('>') {
            depth += 1;
        } else if tree.is_sign('<') {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            // The loop stops at once where nothing is generic.
            return match &trees[..=index] {
                [before @ .., Tree::Sign(':', _), Tree::Sign(':', _), Tree::Sign('<', _)] => before,
                _ => trees,
            };
        }
    }
    trees
}

impl Method {
    fn check<'a>(
        &self,
        arguments: &[&'a [Tree<'a>]],
        databases: Option<&[String]>,
        findings: &mut Vec<Finding<'a>>,
    ) {
        if arguments.len() != self.arity {
            return;
        }
        let literal = |index: &usize| arguments.get(*index).and_then(|argument| literal(argument));
        let judged = databases.map(|databases| (databases, self.databases)).into_iter();
        let judged = judged.flat_map(|(named, places)| places.iter().map(move |at| (named, at)));
        for (databases, at) in judged {
            let Some((literal, database)) = literal(at) else { continue };
            if !databases.iter().any(|name| *name == database) {
                let text = undeclared(&database, databases);
                findings.push(Finding { literal, text });
            }
        }
        for (literal, sql) in self.sql.iter().filter_map(literal) {
            if let Err(text) = sql::check(&sql, self.usage) {
                findings.push(Finding { literal, text });
            } else if let Some(given) =
                self.parameters.and_then(|index| given(arguments.get(index)?))
            {
                let wanted = sql::parameters(&sql);
                if wanted != given {
                    let text = format!(
                        "this statement takes {wanted} parameter(s), and {given} are given"
                    );
                    findings.push(Finding { literal, text });
                }
            }
        }
    }
}

fn undeclared(database: &str, databases: &[String]) -> String {
    let suggestion = near::suggestion(database, databases.iter().map(String::as_str));
    let list: Vec<String> = databases
        .iter()
        .map(|name| format!("\"{name}\""))
        .chain([format!("\"{database}\"")])
        .collect();
    let help = if suggestion.is_empty() {
        format!("\nhelp: name it: `databases = [{}]`", list.join(", "))
    } else {
        suggestion
    };
    format!("this migration does not name the database `{database}`{help}")
}

/// Splits arguments at the commas that stand in no `|…|` and in no `::<…>`.
fn arguments<'a>(trees: &'a [Tree<'a>]) -> Vec<&'a [Tree<'a>]> {
    let mut in_closure = false;
    let mut generics = 0_usize;
    let mut split = Vec::new();
    let mut start = 0;
    for (index, tree) in trees.iter().enumerate() {
        match (tree, &trees[..index]) {
            (Tree::Sign('|', _), _) => in_closure = !in_closure,
            (Tree::Sign('<', _), [.., Tree::Sign(':', _)]) => generics += 1,
            (Tree::Sign('<', _), _) if generics > 0 => generics += 1,
            // Not that of `->`.
            (Tree::Sign('>', _), [.., Tree::Sign('-', true)]) => {}
            (Tree::Sign('>', _), _) => generics = generics.saturating_sub(1),
            (Tree::Sign(',', _), _) if !in_closure && generics == 0 => {
                split.push(&trees[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    split.push(&trees[start..]);
    // A comma behind the last argument.
    split.retain(|argument| !argument.is_empty());
    split
}

fn literal<'a>(argument: &'a [Tree<'a>]) -> Option<(&'a Tree<'a>, Cow<'a, str>)> {
    match argument {
        [literal] => Some((literal, literal.string()?)),
        _ => None,
    }
}

/// Returns how many parameters are given, where that can be seen: `[a, b]`, `(a, b)`, `params![a, b]`.
fn given(argument: &[Tree<'_>]) -> Option<usize> {
    let (delimiter, inner) = match argument {
        [Tree::Group(delimiter, inner)] => (*delimiter, inner),
        [name, Tree::Sign(..), Tree::Group(delimiter, inner)] if name.is_name("params") => {
            (*delimiter, inner)
        }
        _ => return None,
    };
    // `[x; 3]`, named parameters and `..` are not for counting.
    let plain = !inner.iter().any(|tree| matches!(tree, Tree::Sign(';' | '|' | '<', _)));
    let is_list = delimiter == Delimiter::Bracket || commas(inner) > 0;
    if delimiter == Delimiter::Brace || !plain || !is_list && !inner.is_empty() {
        return None;
    }
    // `[(":name", value)]` names its parameters.
    if delimiter == Delimiter::Bracket
        && matches!(inner.first(), Some(Tree::Group(Delimiter::Parenthesis, _)))
    {
        return None;
    }
    let trailing = usize::from(inner.last().is_some_and(|tree| tree.is_sign(',')));
    Some(if inner.is_empty() { 0 } else { commas(inner) + 1 - trailing })
}

fn commas(trees: &[Tree<'_>]) -> usize {
    trees.iter().filter(|tree| tree.is_sign(',')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(source: &str, expected: &[&str]) {
        let trees = crate::lexer::lex(source).expect("tokens");
        let databases = ["conversations".to_owned(), "rules".to_owned()];
        let findings = check(&trees, Some(&databases));
        let texts: Vec<_> = findings
            .iter()
            .map(|finding| finding.text.lines().next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_method_of_one_argument_is_the_contexts_only_on_a_context() {
        let call = |ty: &str, call: &str| format!("fn f(ctx: {ty}, a: u8) {{ {call} }}");
        let wrong = ["this migration does not name the database `done`"];
        finds(&call("&mut ManualContext", "ctx.commit(\"done\")"), &wrong);
        finds(&call("&'c mut agentos_migrate::ManualContext", "ctx.vacuum(\"done\")"), &wrong);
        for right in ["log.commit(\"done\")", "self.ctx.commit(\"done\")", "f().commit(\"done\")"] {
            finds(&call("&mut ManualContext", right), &[]);
        }
        finds(&call("&Log", "ctx.commit(\"done\")"), &[]);
    }

    #[test]
    fn what_is_right_is_passed() {
        finds(r#"ctx.execute("conversations", "DELETE FROM t WHERE a = ?1", [3])?;"#, &[]);
        finds(r#"ctx.execute("rules", "INSERT INTO t VALUES (?, ?)", params![a, f(b, c)])?;"#, &[]);
        finds(
            r#"ctx.execute("rules", "INSERT INTO t VALUES (:a)", named_params!{":a": 1})?;"#,
            &[],
        );
        finds(r#"ctx.execute("rules", "INSERT INTO t VALUES (:a)", &[(":a", &1)])?;"#, &[]);
        finds(r#"ctx.query_row("rules", "SELECT ?", (a,), |row| row.get(0))?;"#, &[]);
        finds(
            r#"ctx.execute(db, &format!("{x}"), [])?; log.execute("whatever"); conn.execute("DELETE FROM t", [])?; conn.query_row("SELECT 1", [], |row| row.get(0))"#,
            &[],
        );
        finds(
            r#"ctx.query_map("rules", "SELECT a FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)))"#,
            &[],
        );
    }

    #[test]
    fn what_is_wrong_is_found_at_any_depth() {
        finds(
            r#"if x { for y in z { ctx.execute("conversatons", "SELECT 1", [])?; } }"#,
            &[
                "this migration does not name the database `conversatons`; did you mean `conversations`?",
            ],
        );
        finds(
            r#"ctx.table_exists("conversation", "t")"#,
            &[
                "this migration does not name the database `conversation`; did you mean `conversations`?",
            ],
        );
        finds(
            r#"ctx.execute("rules", "DELETE FROM t WHERE a = ?", [])"#,
            &["this statement takes 1 parameter(s), and 0 are given"],
        );
        finds(
            r#"ctx.execute("rules", "DELETE FROM t; DELETE FROM u", [])"#,
            &["this runs one statement, and the text has several"],
        );
        finds(
            r#"ctx.query_map("rules", "SELEC 1", [], |row| -> R<i64> { row.get::<_, Vec<(u8, u8)>>(0) })"#,
            &["SQLite can't parse this: near \"SELEC\": syntax error"],
        );
        finds(
            r#"ctx.query_row::<i64>("rules", "SELEC 2", params![a > b, c], |row| row.get::<_, i64>(0))"#,
            &["SQLite can't parse this: near \"SELEC\": syntax error"],
        );
        finds(
            r#"ctx.copy_rows("rules", "SELEC a", "audit", "INSERT INTO t VALUES (?)")"#,
            &[
                "this migration does not name the database `audit`",
                "SQLite can't parse this: near \"SELEC\": syntax error",
            ],
        );
    }
}
