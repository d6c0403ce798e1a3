//! The annotated function: its name, its parameters, its documentation. The body stays closed.

use std::borrow::Cow;

use proc_macro2::Delimiter;

use crate::lexer::Tree;

/// What is known of a function; a place is the number of a token of the item.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) name_at: usize,
    pub(crate) parameters: &'a [Tree<'a>],
    pub(crate) parameters_at: usize,
    /// The tokens between `->` and the body.
    pub(crate) returns: Option<&'a [Tree<'a>]>,
    /// The first paragraph of the doc comment.
    pub(crate) documentation: String,
    /// A word before `fn` that a migration can't have, such as `async`.
    pub(crate) qualifier: Option<(&'a str, usize)>,
    /// Where generics begin.
    pub(crate) generics: Option<usize>,
}

/// What an item that is no function is told.
pub(crate) const FORM: &str =
    "`#[migration]` goes on a function: `fn name(ctx: &mut MigrationContext) -> Result<()> { … }`";

/// Reads a function without looking into its body; if it is none, returns the token that tells.
pub(crate) fn parse<'a>(item: &'a [Tree<'a>]) -> Result<Function<'a>, usize> {
    let (index, documentation, qualifier) = head(item)?;
    let name_at = index + 1;
    let Some(name) = item.get(name_at).and_then(Tree::name) else { return Err(index) };
    let after = name_at + 1;
    let generics = item.get(after).is_some_and(|tree| tree.is_sign('<')).then_some(after);
    let group = |delimiter: Delimiter| {
        let mut groups = item.iter().enumerate().skip(after);
        groups.find_map(|(at, tree)| Some((at, tree.group(delimiter)?))).ok_or(name_at)
    };
    let (parameters_at, parameters) = group(Delimiter::Parenthesis)?;
    let (body_at, _) = group(Delimiter::Brace)?;
    let returns = item.get(parameters_at + 3..body_at);
    Ok(Function {
        name,
        name_at,
        parameters,
        parameters_at,
        returns,
        documentation,
        qualifier,
        generics,
    })
}

/// Documentation, and a word that a migration can't have.
type Head<'a> = (usize, String, Option<(&'a str, usize)>);

/// Reads attributes and visibility up to `fn`; returns where that stands.
fn head<'a>(item: &'a [Tree<'a>]) -> Result<Head<'a>, usize> {
    let mut lines = Vec::new();
    let mut qualifier = None;
    let mut index = 0;
    while let Some(tree) = item.get(index) {
        match tree {
            Tree::Sign('#', _) => {
                if let Some(attribute) = item.get(index + 1) {
                    lines.extend(doc_line(attribute));
                    index += 1;
                }
            }
            Tree::Name(word) => match word.as_ref() {
                "fn" => return Ok((index, first_paragraph(&lines), qualifier)),
                "pub" => {}
                "async" | "unsafe" | "extern" | "const" => {
                    qualifier.get_or_insert((word.as_ref(), index));
                }
                _ => return Err(index),
            },
            // `pub(crate)`, and the name behind `extern`.
            Tree::Group(Delimiter::Parenthesis, _) | Tree::Literal(_) => {}
            _ => return Err(index),
        }
        index += 1;
    }
    Err(0)
}

fn doc_line(attribute: &Tree<'_>) -> Option<String> {
    match attribute.group(Delimiter::Bracket)? {
        [name, Tree::Sign('=', _), text] if name.is_name("doc") => {
            text.string().map(Cow::into_owned)
        }
        _ => None,
    }
}

fn first_paragraph(lines: &[String]) -> String {
    // A block comment is one attribute of several lines.
    let lines = lines
        .iter()
        .flat_map(|line| line.lines())
        .map(|line| line.trim().trim_start_matches("* ").trim());
    let lines: Vec<&str> =
        lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}
