//! Which items a migration named `a` reaches, in files of many shapes.

use super::*;

fn lexed(text: &str) -> Trees {
    let text: &'static str = text.to_owned().leak();
    crate::lexer::lex(text).expect("tokens").leak()
}

/// Returns the names of what `fn a` reaches, or an item that is named by `functions`.
fn reached(text: &str, functions: &[&[&str]]) -> Vec<String> {
    let items = Items::of(lexed(text));
    let own = items.position("a", |item| item.trees.iter().any(|tree| tree.is_name("fn")));
    let own = own.expect("the migration is there");
    let functions: Vec<Vec<String>> =
        functions.iter().map(|path| path.iter().map(ToString::to_string).collect()).collect();
    let found = items.reached_from(Some(own), items.all[own].trees, &functions);
    found.into_iter().map(|item| item.name.clone()).collect()
}

/// The migration of a case, which names what `body` names.
fn migration(body: &str) -> String {
    format!(
        "#[migration(version = \"0001\", databases = [\"notes\"])] pub fn a(ctx: &mut C) -> R {{ {body} }}"
    )
}

#[test]
fn an_item_ends_where_it_ends_whatever_words_stand_in_its_head() {
    for before in [
        "impl From<&'static str> for Bad { fn from(w: &'static str) -> Self { Self(w) } }",
        "pub trait Q: 'static { fn q(); }",
        "pub struct W<const N: usize> { w: [u8; N] }",
        "struct Row<'r> where 'r: 'static { row: &'r str }",
        "impl<const N: usize> W<N> { fn sql() -> &'static str { \"\" } }",
        "fn texts<'t>(t: &'t str) -> impl Iterator<Item = &'t str> + use<'t> { [t].into_iter() }",
        "const unsafe extern \"C\" fn sql() {}",
        "const A: S = S { a: 1 };",
        "static mut B: u8 = { 1 };",
        "extern crate alloc;",
        "extern \"C\" { fn c(); }",
        "pub(crate) type T = u8;",
        "#[derive(Debug)] struct Unit;",
        "struct Pair(pub u8, pub u8);",
        "macro_rules! m { () => {}; }",
        "macro_rules! n (() => {};);",
        "thread_local! { static D: u8 = 1 }",
        "k!(E, 1);",
        "::std::compile_error!(\"x\");",
        "mod other;",
        "mod inline { const F: u8 = 1; }",
        "use std::{fmt, io as input};",
        "async fn f() {}",
        "union U { a: u8 }",
    ] {
        let text = format!("{before} const CREATE: &str = \"\"; {}", migration("ctx.run(CREATE)"));
        assert_eq!(reached(&text, &[]), ["CREATE"], "{before}");
    }
}

#[test]
fn a_name_means_what_is_near_else_whatever_has_it() {
    let down = [&["down"][..]];
    let text = format!("mod one {{ fn down() {{ S }} const S: u8 = 1; {} }}", migration(""));
    assert_eq!(reached(&text, &down), ["S", "down"]);
    let two = format!("mod two {{ fn down() {{ T }} const T: u8 = 2; }} {text}");
    assert_eq!(reached(&two, &down), ["S", "down"], "that of its own module");
    assert_eq!(reached(&two, &[&["super", "two", "down"]]), ["T", "down"]);
    let up = format!("fn down() {{}} mod one {{ fn down() {{}} fn x() {{}} {} }}", migration(""));
    assert_eq!(reached(&up, &[&["super", "down"]]), ["down"]);
    for import in ["use sql::SQL;", "use sql::*;", ""] {
        let body = if import.is_empty() { "sql::SQL" } else { "SQL" };
        let text = format!("mod sql {{ pub const SQL: u8 = 1; }} {import} {}", migration(body));
        assert_eq!(reached(&text, &[]), ["SQL"], "{import}");
    }
    let renamed = format!("const SQL: u8 = 1; use self::{{SQL as TEXT}}; {}", migration("TEXT"));
    assert_eq!(reached(&renamed, &[]), ["SQL"]);
    let same = format!("mod a {{ pub const SQL: u8 = 1; }} {}", migration("a::SQL"));
    assert_eq!(reached(&same, &[]), ["SQL"], "a module may be named as the migration is");
}

#[test]
fn what_a_macro_of_the_file_makes_is_named_by_its_call() {
    let text = format!(
        "macro_rules! k {{ ($n:ident $t:literal) => {{ const $n: &str = $t; }} }} k!(SQL \"x\"); {}",
        migration("SQL")
    );
    assert_eq!(reached(&text, &[]), ["k", "k"]);
    let drops = format!("drops!(undo, \"x\"); {}", migration(""));
    assert_eq!(reached(&drops, &[&["undo"]]), ["drops"]);
    let set =
        format!("agentos_migrate::migrations! {{ databases: [notes] }} {}", migration("notes"));
    assert!(reached(&set, &[]).is_empty(), "the set is no part of a migration");
}

#[test]
fn a_method_is_looked_for_in_traits_and_in_what_is_written_for_types_of_others() {
    let blanket =
        format!("trait X {{}} impl<T> X for T {{ fn x(&self) {{}} }} {}", migration("1.x()"));
    assert_eq!(reached(&blanket, &[]), ["T", "X"]);
    let default = format!("trait X {{ fn x(&self) {{}} }} {}", migration("1.x()"));
    assert_eq!(reached(&default, &[]), ["X"]);
    let function = format!("fn execute_batch() {{}} {}", migration("ctx.execute_batch(1)"));
    assert!(reached(&function, &[]).is_empty(), "a function is no method");
    let range = format!("const END: u8 = 1; {}", migration("0..END"));
    assert_eq!(reached(&range, &[]), ["END"]);
}

#[test]
fn what_has_nothing_to_do_with_a_migration_is_not_reached() {
    let text = format!(
        "fn version() {{}} fn databases() {{}} #[cfg(test)] mod tests {{ fn s() {{}} }} {}",
        migration("s(format!(\"{w:>width$}\"))")
    );
    assert!(reached(&text, &[]).is_empty());
    let captured = format!("const width: u8 = 1; {}", migration("format!(\"{w:>width$}\")"));
    assert_eq!(reached(&captured, &[]), ["width"]);
}
