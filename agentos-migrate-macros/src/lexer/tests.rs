//! Our tokens beside those of another lexer of Rust, proc-macro2's own.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use proptest::prelude::*;

use super::*;
use crate::checksum::Canonical;
use crate::trees;

fn sum<'a>(trees: &'a [Tree<'a>]) -> [u8; 32] {
    let mut canonical = Canonical::new();
    canonical.tokens(trees);
    canonical.finish()
}

/// Names, signs, literals by what they mean to the checksum and to the checks.
fn outline(trees: &[Tree<'_>], lines: &mut Vec<String>) {
    for (index, tree) in trees.iter().enumerate() {
        // What follows in front of a lifetime's quote, the lexers call differently; it means nothing.
        let next = trees.get(index + 1);
        match tree {
            Tree::Group(delimiter, inner) => {
                lines.push(format!("{delimiter:?}"));
                outline(inner, lines);
                lines.push("end".to_owned());
            }
            Tree::Literal(literal) => {
                lines.push(format!("{:?} {literal}", tree.string()).replace('\\', ""));
            }
            Tree::Sign(sign, true) if matches!(next, Some(Tree::Sign(next, _)) if *next != '\'') => {
                lines.push(format!("{sign} joint"));
            }
            Tree::Sign(sign, _) => lines.push(sign.to_string()),
            Tree::Name(name) => lines.push(name.to_string()),
        }
    }
}

/// Compares; tells whether our lexer had an answer.
#[track_caller]
fn agree(text: &str) -> bool {
    let Some(ours) = lex(text) else { return false };
    let theirs = text.parse::<TokenStream>().unwrap_or_else(|error| panic!("{error}: {text}"));
    let theirs = trees::walked(theirs);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    outline(&ours, &mut left);
    outline(&theirs, &mut right);
    if let Some(at) = left.iter().zip(&right).position(|(a, b)| a != b) {
        panic!(
            "{:?}\n{:?}\n{text}",
            &left[at.saturating_sub(3)..=at],
            &right[at.saturating_sub(3)..=at]
        );
    }
    assert_eq!(left.len(), right.len(), "{text}");
    assert_eq!(sum(&ours), sum(&theirs), "{text}");
    true
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("lists") {
        let path = entry.expect("lists").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `AGENTOS_MIGRATE_SOURCES` names another folder, such as the registry's.
#[test]
fn every_source_of_this_project_is_cut_as_proc_macro2_cuts_it() {
    let other = std::env::var_os("AGENTOS_MIGRATE_SOURCES").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace");
    let mut files = Vec::new();
    sources(other.as_deref().unwrap_or(root), &mut files);
    let mut own = 0;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let text = text.replace("\r\n", "\n");
        // What neither takes is no Rust.
        if text.parse::<TokenStream>().is_ok() {
            own += usize::from(agree(&text));
        }
    }
    assert!(own * 100 > files.len() * 95, "{own} of {} files", files.len());
}

#[test]
fn what_rust_has_of_tokens_is_cut_as_proc_macro2_cuts_it() {
    for text in [
        "1 1u8 1_000 0xff_u32 0b1 0o7 1.0 1. 1.5e3 1e-7 2E+_1 1.0f32 1..2 1.max(2) t.0.1 a.0",
        "'a' '\\'' '\\u{1F600}' 'ä' b'x' b'\\'' 'a: loop { break 'a } &'static str &'_ x",
        r####""a\"b\\" r"c\" r#"d"e"# r###"f"##g"### b"h" br"i\" br#"j"k"# c"l" cr"m" "ä" "n"suffix"####,
        "a && b & &c ||d| |e| || f <<= g >>= h ..= i -> j => k :: l != m & & n &&& o",
        "/// a {b}\n//! c\n/** d */ /*! e */ //// f\n/*** g */ /**/ /* h /* i */ j */ k // l",
        "r#type r#fn _ __a a1 Self crate $x # ! [ cfg ( x ) ] ~ @ ^ %",
        "&/* x */& -/* y */> =//\n> a!{} b![] c!()",
        "'r: for x in \"a\\\n   b\" {}",
        "",
    ] {
        assert!(agree(text), "{text}");
    }
}

#[test]
fn what_another_has_to_judge_is_not_judged() {
    for text in [
        "größe",
        "a\u{2028}b",
        "x\"y\"",
        "x'y'",
        "x#y",
        "#\"z\"#",
        "'ab'",
        "1em",
        "1.ä",
        "\"open",
        "/* open",
        "r#\"open\"",
        "(]",
        "(",
        ")",
        "'",
        "\\",
        "`",
    ] {
        assert_eq!(lex(text), None, "{text}");
    }
}

/// Pieces of Rust that mean something else when they touch.
const PIECES: &[&str] = &[
    "a", "r", "b", "br", "c", "'a", "'a'", "'\\n'", "\"s\"", "r\"s\"", "r#\"s\"#", "b\"s\"", "1",
    "1.", "0.5", ".5", "1e3", "0x1f", "e3", "_", "r#fn", "&", "&&", "|", "||", "-", ">", "=", "=>",
    "..", "::", ";", ",", "#", "!", "?", "$", "(", ")", "{", "}", "[", "]", "//x\n", "///y\n",
    "/*z*/", "/**w*/", "/", "*", " ", "\n", "return", "let", "ä",
];

proptest! {
    #[test]
    fn pieces_that_touch_are_cut_as_proc_macro2_cuts_them_or_not_at_all(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..16),
    ) {
        let text = pieces.concat();
        // A text of ours that another refuses is no Rust, and never reaches a macro.
        if text.parse::<TokenStream>().is_ok() {
            agree(&text);
        }
    }

    #[test]
    fn any_text_is_cut_or_refused_without_a_panic(text in "\\PC{0,40}", more in "[\"'/*#\\\\br0-9.e_ ]{0,12}") {
        drop(lex(&format!("{text}{more}")));
        drop(lex(&format!("{more}{text}")));
    }
}
