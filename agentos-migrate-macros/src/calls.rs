//! Calls of the context's methods in a function's tokens: `ctx.execute("db", "SQL", …)`.
//!
//! Only literals that stand in the call are looked at; everything else is
//! passed over in silence.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::LitStr;

use crate::near;
use crate::sql::{self, Use};

/// Something wrong at a literal.
pub(crate) struct Finding {
    pub(crate) literal: LitStr,
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

/// Looks at every call in the tokens; `databases` are those that the migration names.
pub(crate) fn check(tokens: TokenStream, databases: &[String]) -> Vec<Finding> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut findings = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        if group.delimiter() == Delimiter::Parenthesis
            && let [.., TokenTree::Punct(dot), TokenTree::Ident(name)] =
                without_generics(&tokens[..index])
        {
            let method = METHODS.iter().find(|method| dot.as_char() == '.' && name == method.name);
            if let Some(method) = method {
                method.check(&arguments(group.stream()), databases, &mut findings);
            }
        }
        findings.extend(check(group.stream(), databases));
    }
    findings
}

/// Cuts `::<…>` off the end.
fn without_generics(tokens: &[TokenTree]) -> &[TokenTree] {
    let is = |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().rev() {
        if is(token, '>') {
            depth += 1;
        } else if is(token, '<') {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            // The loop stops at once where nothing is generic.
            let is_turbofish = is(token, '<')
                && index >= 2
                && is(&tokens[index - 1], ':')
                && is(&tokens[index - 2], ':');
            return if is_turbofish { &tokens[..index - 2] } else { tokens };
        }
    }
    tokens
}

impl Method {
    fn check(
        &self,
        arguments: &[Vec<TokenTree>],
        databases: &[String],
        findings: &mut Vec<Finding>,
    ) {
        if arguments.len() != self.arity {
            return;
        }
        let literal = |index: &usize| arguments.get(*index).and_then(|argument| literal(argument));
        for database in self.databases.iter().filter_map(literal) {
            if !databases.contains(&database.value()) {
                let text = undeclared(&database.value(), databases);
                findings.push(Finding { literal: database, text });
            }
        }
        for sql in self.sql.iter().filter_map(literal) {
            if let Err(text) = sql::check(&sql.value(), self.usage) {
                findings.push(Finding { literal: sql, text });
            } else if let Some(given) =
                self.parameters.and_then(|index| given(arguments.get(index)?))
            {
                let wanted = sql::parameters(&sql.value());
                if wanted != given {
                    let text = format!(
                        "this statement takes {wanted} parameter(s), and {given} are given"
                    );
                    findings.push(Finding { literal: sql, text });
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

/// Splits arguments at their commas.
fn arguments(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut split = vec![Vec::new()];
    let mut in_closure = false;
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '|' => in_closure = !in_closure,
            TokenTree::Punct(punct) if punct.as_char() == ',' && !in_closure => {
                split.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = split.last_mut() {
            last.push(token);
        }
    }
    // A comma behind the last argument.
    split.retain(|argument| !argument.is_empty());
    split
}

fn literal(argument: &[TokenTree]) -> Option<LitStr> {
    match argument {
        [TokenTree::Literal(literal)] => {
            syn::parse2(TokenTree::Literal(literal.clone()).into()).ok()
        }
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => {
            literal(&group.stream().into_iter().collect::<Vec<_>>())
        }
        _ => None,
    }
}

/// Returns how many parameters are given, where that can be seen: `[a, b]`, `(a, b)`, `params![a, b]`.
fn given(argument: &[TokenTree]) -> Option<usize> {
    let group = match argument {
        [TokenTree::Group(group)] => group,
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Group(group)]
            if name == "params" =>
        {
            group
        }
        _ => return None,
    };
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    // `[x; 3]`, named parameters and `..` are not for counting.
    let plain = inner.iter().all(|token| !matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | '|' | '<')));
    let is_list = group.delimiter() == Delimiter::Bracket || commas(&inner) > 0;
    if group.delimiter() == Delimiter::Brace || !plain || !is_list && !inner.is_empty() {
        return None;
    }
    if group.delimiter() == Delimiter::Bracket && starts_with_pairs(&inner) {
        return None;
    }
    let trailing = usize::from(
        matches!(inner.last(), Some(TokenTree::Punct(punct)) if punct.as_char() == ','),
    );
    Some(if inner.is_empty() { 0 } else { commas(&inner) + 1 - trailing })
}

/// `[(":name", value)]` names its parameters.
fn starts_with_pairs(inner: &[TokenTree]) -> bool {
    matches!(inner.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

fn commas(tokens: &[TokenTree]) -> usize {
    tokens
        .iter()
        .filter(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(source: &str, expected: &[&str]) {
        let findings = check(
            source.parse().expect("tokens"),
            &["conversations".to_owned(), "rules".to_owned()],
        );
        let texts: Vec<_> = findings
            .iter()
            .map(|finding| finding.text.lines().next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(texts, expected);
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
            r#"ctx.copy_rows("rules", "SELEC a", "audit", "INSERT INTO t VALUES (?)")"#,
            &[
                "this migration does not name the database `audit`",
                "SQLite can't parse this: near \"SELEC\": syntax error",
            ],
        );
    }
}
