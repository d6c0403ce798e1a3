//! The rules for the heads of a migration, its downgrade and its validation.
//!
//! Types are compared as they are written. A context under another name, and
//! a result of another error, pass here and are the compiler's to judge.

use crate::ast::Function;
use crate::lexer::Tree;
use crate::source::SourceFile;
use crate::trees;

/// What a function is for, and who commits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Upgrade { is_manual: bool },
    Downgrade { is_manual: bool },
    Validate,
}

impl Role {
    fn context(self) -> &'static str {
        match self {
            Self::Upgrade { is_manual: true } | Self::Downgrade { is_manual: true } => {
                "ManualContext"
            }
            _ => "MigrationContext",
        }
    }

    fn parameter(self) -> String {
        let mutability = if self == Self::Validate { "" } else { "mut " };
        format!("&{mutability}{}", self.context())
    }

    fn returns(self) -> &'static str {
        if self == Self::Validate { "Result<bool>" } else { "Result<()>" }
    }

    fn form(self, name: &str) -> String {
        format!("write `fn {name}(ctx: {}) -> {}`", self.parameter(), self.returns())
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Upgrade { .. } => "a migration",
            Self::Downgrade { .. } => "a downgrade",
            Self::Validate => "a validation",
        }
    }
}

/// A mistake in a head, and the token of the item that it is at.
pub(crate) type Mistake = (usize, String);

/// Refuses a head that does not fit its role; tells whether it is just what
/// the engine calls, so that nothing has to be converted.
pub(crate) fn check(
    function: &Function<'_>,
    role: Role,
    file: Option<&SourceFile>,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let name = function.name;
    let before = mistakes.len();
    let mut refuse = |at: usize, what: String| {
        mistakes.push((at, format!("{what}\nhelp: {}", role.form(name))));
    };
    let noun = role.noun();
    if let Some((word, at)) = function.qualifier {
        refuse(at, format!("{noun} is a plain function, and `{name}` is `{word} fn`"));
    }
    if let Some(at) = function.generics {
        refuse(at, format!("{noun} is no generic function"));
    }
    let at = function.parameters_at;
    let parameters = parameters(function.parameters);
    match parameters.as_slice() {
        [parameter] => {
            if let Some(written) = wrong_context(parameter, role, file) {
                let manual = match (role.context(), written.contains("ManualContext")) {
                    ("ManualContext", _) => " where it is `transaction = \"manual\"`",
                    (_, true) => "; one that commits by itself has `transaction = \"manual\"`",
                    _ => "",
                };
                let wanted = role.parameter();
                let what =
                    format!("{noun} takes `{wanted}`, and `{name}` takes `{written}`{manual}");
                refuse(at, what);
            }
        }
        [] => refuse(at, format!("{noun} takes the context, and `{name}` takes nothing")),
        several => {
            let count = several.len();
            let what =
                format!("{noun} takes the context alone, and `{name}` takes {count} parameters");
            refuse(at, what);
        }
    }
    if let Some(written) = wrong_result(function.returns, role) {
        let what = format!("{noun} returns `{}`, and `{name}` returns {written}", role.returns());
        refuse(function.name_at, what);
    }
    before == mistakes.len() && is_own(function, &parameters, role, file)
}

/// Returns the parameters, split at the commas that stand in no generics.
fn parameters<'a>(trees: &'a [Tree<'a>]) -> Vec<&'a [Tree<'a>]> {
    let mut depth = 0_i32;
    let split = trees.split(|tree| {
        depth += i32::from(tree.is_sign('<')) - i32::from(tree.is_sign('>'));
        tree.is_sign(',') && depth == 0
    });
    split.filter(|parameter| !parameter.is_empty()).collect()
}

/// Returns the type of a parameter if it can't be the context.
fn wrong_context(parameter: &[Tree<'_>], role: Role, file: Option<&SourceFile>) -> Option<String> {
    let Some(colon) = parameter.iter().position(|tree| tree.is_sign(':')) else {
        return Some(trees::readable(parameter));
    };
    let written = &parameter[colon + 1..];
    let is_reference = written.first().is_some_and(|tree| tree.is_sign('&'));
    let has_mut = written.iter().any(|tree| tree.is_name("mut"));
    let Some(Tree::Name(kind)) = written.last() else { return Some(trees::readable(written)) };
    let is_context = kind == "MigrationContext" || kind == "ManualContext";
    // Another name may be the context's: the compiler knows.
    if !is_context && !is_certainly_another(kind, written, file) {
        return None;
    }
    let fits = kind == role.context() && is_reference && has_mut == (role != Role::Validate);
    (!fits).then(|| trees::readable(written))
}

/// A type of the prelude, or one that every SQLite program knows.
fn is_certainly_another(kind: &str, written: &[Tree<'_>], file: Option<&SourceFile>) -> bool {
    if ["Connection", "Transaction", "Savepoint"].contains(&kind) {
        return true;
    }
    let names = written.iter().filter(
        |tree| matches!(tree, Tree::Name(word) if !["mut", "dyn"].contains(&word.as_ref())),
    );
    let is_path = names.count() > 1;
    let is_foreign =
        |word: &&str| ["String", "str", "bool", "i64", "u32", "usize", "Path"].contains(word);
    !is_path && is_foreign(&kind) && file.is_none_or(|file| !file.uses_or_declares(kind))
}

/// Returns in words what a function returns, if that can't be what its role asks for.
fn wrong_result(returns: Option<&[Tree<'_>]>, role: Role) -> Option<String> {
    let Some(returns) = returns else { return Some("nothing".to_owned()) };
    let plain = trees::compact(returns);
    let other = if role == Role::Validate { "Result<()>" } else { "Result<bool>" };
    let is_wrong = plain == other
        || plain.starts_with("Option<")
        || ["()", "bool", "String", "usize", "i64"].contains(&plain.as_str());
    is_wrong.then(|| format!("`{}`", trees::readable(returns)))
}

/// Returns whether the written head is, word for word, what the engine calls.
fn is_own(
    function: &Function<'_>,
    parameters: &[&[Tree<'_>]],
    role: Role,
    file: Option<&SourceFile>,
) -> bool {
    let Some(file) = file else { return false };
    let (Some(returns), [parameter]) = (function.returns, parameters) else { return false };
    let written = trees::compact(parameter);
    let wanted = role.parameter().replace(' ', "");
    let returns = trees::compact(returns);
    let returns = returns.trim_start_matches("::");
    let result = match returns.strip_prefix("agentos_migrate::") {
        Some(result) => result,
        None if file.imports_result(function.name) => returns,
        None => return false,
    };
    result == role.returns() && written.split_once(':').is_some_and(|(_, kind)| kind == wanted)
}
#[cfg(test)]
mod tests {
    use super::*;

    const ATOMIC: Role = Role::Upgrade { is_manual: false };
    const MANUAL: Role = Role::Downgrade { is_manual: true };

    fn refused(source: &str, role: Role) -> Vec<String> {
        let trees = crate::lexer::lex(source).expect("tokens");
        let function = crate::ast::parse(&trees).expect("a function");
        let mut mistakes = Vec::new();
        check(&function, role, None, &mut mistakes);
        mistakes.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_head_that_fits_passes_under_any_name() {
        for (source, role) in [
            ("fn f(ctx: &mut MigrationContext) -> Result<()> {}", ATOMIC),
            ("fn f(mut c: &'a mut a::b::MigrationContext,) -> Result<(), E> {}", ATOMIC),
            ("fn f(_: &mut Ctx) -> R {}", ATOMIC),
            ("fn f(ctx: &mut ManualContext) -> Result<()> {}", MANUAL),
            ("fn f(ctx: &MigrationContext) -> Result<bool> {}", Role::Validate),
        ] {
            assert_eq!(refused(source, role), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn a_head_that_does_not_fit_is_refused_with_the_form() {
        for (source, role, text) in [
            ("fn f() -> Result<()> {}", ATOMIC, "`f` takes nothing"),
            ("fn f(a: A<B, C>, b: D) -> Result<()> {}", ATOMIC, "`f` takes 2 parameters"),
            (
                "fn f(a: &mut MigrationContext) {}",
                ATOMIC,
                "returns `Result<()>`, and `f` returns nothing",
            ),
            ("fn f(a: &MigrationContext) -> R {}", ATOMIC, "`f` takes `&MigrationContext`"),
            ("fn f(a: MigrationContext) -> R {}", ATOMIC, "`f` takes `MigrationContext`"),
            (
                "fn f(a: &mut rusqlite::Connection) -> R {}",
                ATOMIC,
                "`f` takes `&mut rusqlite::Connection`",
            ),
            ("fn f(a: &mut String) -> R {}", ATOMIC, "`f` takes `&mut String`"),
            ("fn f(self) -> R {}", ATOMIC, "`f` takes `self`"),
            ("fn f(a: &mut ManualContext) -> R {}", ATOMIC, "takes `&mut MigrationContext`"),
            ("fn f(a: &mut MigrationContext) -> R {}", MANUAL, "takes `&mut ManualContext`"),
            ("fn f(a: &mut MigrationContext) -> R {}", Role::Validate, "takes `&MigrationContext`"),
            (
                "fn f(a: &MigrationContext) -> Result<()> {}",
                Role::Validate,
                "`f` returns `Result<()>`",
            ),
            ("fn f(a: &mut MigrationContext) -> Option<()> {}", ATOMIC, "`f` returns `Option<()>`"),
            ("async fn f(a: &mut MigrationContext) -> R {}", ATOMIC, "`f` is `async fn`"),
            ("fn f<T>(a: &mut MigrationContext) -> R {}", ATOMIC, "no generic function"),
        ] {
            let found = refused(source, role);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert!(found[0].contains(text), "{source}: {found:?}");
            assert!(found[0].contains("help: write `fn f(ctx: &"), "{found:?}");
        }
    }
}
