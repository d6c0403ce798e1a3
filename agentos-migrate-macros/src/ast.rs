//! The annotated function: its name, its parameters, its documentation. The body stays closed.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::LitStr;

/// What is known of the annotated function.
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) parameters: Group,
    /// The tokens between `->` and the body.
    pub(crate) returns: Option<TokenStream>,
    pub(crate) body: Group,
    /// The first paragraph of the doc comment.
    pub(crate) documentation: String,
    /// A word before `fn` that a migration can't have, such as `async`.
    pub(crate) qualifier: Option<Ident>,
    pub(crate) generics: Option<Span>,
}

const FORM: &str =
    "`#[migration]` goes on a function: `fn name(ctx: &mut MigrationContext) -> Result<()> { … }`";

/// Reads a function without looking into its body.
pub(crate) fn parse(item: &TokenStream) -> syn::Result<Function> {
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let (index, documentation, qualifier) = head(&tokens)?;
    let Some(TokenTree::Ident(name)) = tokens.get(index + 1) else {
        return Err(syn::Error::new(tokens[index].span(), FORM));
    };
    let after = &tokens[index + 2..];
    let generics = match after.first() {
        Some(TokenTree::Punct(punct)) if punct.as_char() == '<' => Some(punct.span()),
        _ => None,
    };
    let group = |delimiter: Delimiter| {
        after.iter().enumerate().find_map(|(index, token)| match token {
            TokenTree::Group(group) if group.delimiter() == delimiter => {
                Some((index, group.clone()))
            }
            _ => None,
        })
    };
    let missing = || syn::Error::new(name.span(), FORM);
    let (start, parameters) = group(Delimiter::Parenthesis).ok_or_else(missing)?;
    let (end, body) = group(Delimiter::Brace).ok_or_else(missing)?;
    let between: TokenStream =
        after.get(start + 3..end).unwrap_or_default().iter().cloned().collect();
    let returns = (end > start + 2).then_some(between);
    Ok(Function {
        name: name.clone(),
        parameters,
        returns,
        body,
        documentation,
        qualifier,
        generics,
    })
}

/// Reads attributes and visibility up to `fn`; returns where that stands.
fn head(tokens: &[TokenTree]) -> syn::Result<(usize, String, Option<Ident>)> {
    let mut lines = Vec::new();
    let mut qualifier = None;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.get(index + 1) {
                    lines.extend(doc_line(group));
                    index += 1;
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                return Ok((index, first_paragraph(&lines), qualifier));
            }
            TokenTree::Ident(word) if word == "pub" => {}
            TokenTree::Ident(word)
                if ["async", "unsafe", "extern", "const"].iter().any(|known| word == known) =>
            {
                qualifier.get_or_insert_with(|| word.clone());
            }
            // `pub(crate)`, and the name behind `extern`.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {}
            TokenTree::Literal(_) => {}
            other => return Err(syn::Error::new(other.span(), FORM)),
        }
        index += 1;
    }
    Err(syn::Error::new(tokens.first().map_or_else(Span::call_site, TokenTree::span), FORM))
}

fn doc_line(attribute: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(literal)]
            if name == "doc" =>
        {
            syn::parse2::<LitStr>(TokenTree::Literal(literal.clone()).into())
                .ok()
                .map(|text| text.value())
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
