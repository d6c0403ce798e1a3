//! The canonical form: what counts and what does not, and sums that never change.

use proptest::prelude::*;

use super::*;

fn sum(source: &str) -> String {
    let mut canonical = Canonical::new();
    canonical.tokens(&lexer::lex(source).expect("tokens"));
    canonical.finish().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn same(one: &str, other: &str) {
    assert_eq!(sum(one), sum(other), "{one}\n{other}");
}

#[track_caller]
fn different(one: &str, other: &str) {
    assert_ne!(sum(one), sum(other), "{one}\n{other}");
}

#[test]
fn the_sum_of_known_tokens_never_changes() {
    assert_eq!(sum(""), "9a815cfb74d06cf453f7e55af00c310e304137b7721888c67ce6403ccfbdf4a3");
    let source = "pub fn up(ctx: &mut MigrationContext) -> Result<()> { ctx.execute(\"a\", \"SELECT 1\", [])?; Ok(()) }";
    assert_eq!(sum(source), "91ff60f16ce3e8cff4ec9d56a099e25e4dc4d1ff8ea99fd2a9cf43532c449c3d");
}

#[test]
fn layout_comments_and_doc_comments_do_not_count() {
    same("fn a() { b(1, 2); }", "/// Says so.\nfn a()\n{\n    // why\n    b(1,\n      2);\n}");
    same(
        "fn a() { x }",
        "#[allow(unused)] #[doc = \"x\"] #[inline] fn a() { #![allow(dead_code)] x }",
    );
}

#[test]
fn literals_count_by_value() {
    same("1_000", "1000");
    same("0xff", "255");
    same(r##"r#"a"b"#"##, r#""a\"b""#);
    different("\"a\"", "\"a \"");
    different("1u8", "1u16");
    different("1", "1.0");
    different("'a'", "\"a\"");
}

#[test]
fn what_rustfmt_moves_does_not_count() {
    same("f(a, b)", "f(a, b,)");
    same("match x { A => { y } B => z }", "match x { A => y, B => z, }");
    same("g(|x| { x + 1 })", "g(|x| x + 1)");
    same("Map<A, B>", "Map<A, B,>");
    same("{ return x; }", "{ return x }");
}

#[test]
fn what_means_something_counts() {
    different("f(a, b)", "f(b, a)");
    different("let t = (a,);", "let t = (a);");
    different("a && b", "a & &b");
    different("x;", "x");
    different("#[cfg(unix)] x", "#[cfg(windows)] x");
    different("match x { A => { y; } B => z }", "match x { A => y, B => z }");
    same("r#type", "r#type");
    different("a.b", "a::b");
}

#[test]
fn line_ends_of_files_do_not_count_and_other_bytes_do() {
    let file = |text: &str| {
        let mut canonical = Canonical::new();
        canonical.file(text);
        canonical.finish()
    };
    assert_eq!(file("a;\nb;\n"), file("a;\r\nb;\r\n"));
    assert_ne!(file("a;\nb;\n"), file("a; b;\n"));
}

/// Tokens of a small language that is always well formed.
fn words() -> impl Strategy<Value = Vec<&'static str>> {
    let word = prop::sample::select(vec![
        "a",
        "ctx",
        ".",
        "execute",
        "(",
        ")",
        "\"SELECT 1\"",
        "1",
        "+",
        "?",
        ";",
        "let",
        "=",
        "&",
        "if",
        "{",
        "}",
        "'x'",
        "::",
        "b",
    ]);
    prop::collection::vec(word, 1..40).prop_map(|words| {
        let mut open = Vec::new();
        let mut kept = Vec::new();
        for word in words {
            match word {
                "(" | "{" => open.push(if word == "(" { ")" } else { "}" }),
                ")" | "}" => {
                    if open.last() != Some(&word) {
                        continue;
                    }
                    open.pop();
                }
                _ => {}
            }
            kept.push(word);
        }
        kept.extend(open.into_iter().rev());
        // Never empty.
        kept.push("b");
        kept
    })
}

proptest! {
    #[test]
    fn reformatting_and_comments_never_change_the_sum(words in words(), layout in prop::collection::vec(0_usize..5, 60)) {
        let plain = words.join(" ");
        let between = [" ", "\n", "\t\t", " /* why */ ", " // so\n"];
        let moved: String = words.iter().zip(layout.iter().cycle()).map(|(word, space)| format!("{word}{}", between[*space])).collect();
        prop_assert_eq!(sum(&plain), sum(&moved));
    }

    #[test]
    fn an_edit_of_a_token_changes_the_sum(words in words(), index in any::<prop::sample::Index>()) {
        let index = index.index(words.len());
        let replacement = match words[index] {
            "a" | "ctx" | "execute" | "let" | "if" | "b" => "other",
            "\"SELECT 1\"" => "\"SELECT 2\"",
            "1" => "2",
            "+" => "-",
            "'x'" => "'y'",
            _ => return Ok(()),
        };
        let mut edited = words.clone();
        edited[index] = replacement;
        prop_assert_ne!(sum(&words.join(" ")), sum(&edited.join(" ")));
    }
}
