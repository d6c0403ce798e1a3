//! A released migration with tokens of every kind: its checksum in the lock file is that of
//! the first version of the rule, and never changes.

#![allow(dead_code, unused_variables, clippy::all)]

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! {
    databases: [conversations, rules],
    lock: "fixtures/every_kind_of_token.lock",
}

/// Adds tags; see {helper_of_docs} and `{LIMIT}`.
/** A block
    of documentation. */
#[migration(
    version = "0002",
    databases = ["conversations", "rules"],
    downgrade = remove_tags,
    validate = has_tags,
    deletes = ["tags"],
)]
#[must_use = "it may fail"]
#[cfg(not(windows))]
pub(crate) fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    //! Inner documentation.
    #![allow(unused)]
    let r#type = (0x1F_u32, 0b1010, 0o17, 1_000i64, 007, 1.5e-3_f64, 2., 1e3f32, u128::MAX);
    let nested = ((1, 2.5), 3);
    let _ = (nested.0.1, r#type.0 << 2, 1..=5, ..3, 4.max(5), !0u8 as i8, -7, - 7);
    let texts = ["a\"b\\\n\u{e9}", r"c\d", r#"e"f"#, r##"g"#h"##, "two \
        lines", "ä€"];
    let bytes = (b'x', b'\'', b"y\xff", br#"z"z"#, c"null", 'c', '\'', '\u{1F600}', 'ß');
    let tuple = (1,);
    let plain = (1);
    let either = true && false || !true & !*&true & *& &true;
    let spaced = (| | -> bool { false })() | (|_: u8| { true })(1);
    let closures = [|x: u8| { x + 1 }, |x| x - 1, |x| { let y = x; y }];
    'outer: for index in 0..LIMIT {
        while let Some(_) = None::<Vec<Option<u8>>> {
            break 'outer;
        }
        match index {
            0 => { continue }
            1 if either => continue 'outer,
            2 | 3 => (),
            _ => { return Ok(()); }
        }
    }
    let generic: std::collections::BTreeMap<String, Vec<(u8, fn(&u8) -> u8,)>,> = Default::default();
    let _: for<'a> fn(&'a str) -> &'a str = identity::<3>;
    /* a comment /* in a comment */ stays out */ // and so does this {remove_tags}
    ctx.execute("conversations", INDEX, [])?;
    ctx.execute_batch("rules", include_str!("../fixtures/tags.sql"))?;
    ctx.query_map("conversations", "SELECT a, b FROM t WHERE c = ?1", [LIMIT], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    ctx.note(&format!("{LIMIT} of {:>width$.2} {name}", 1.0, width = 3, name = text!(helper)));
    if let [first, .., last] = &texts[..] && first != last { helper(ctx)?; } else { unreachable!() }
    return Ok(());
}

const LIMIT: i64 = 3;
static INDEX: &str = concat!("CREATE INDEX i ", "ON t(a)");

macro_rules! text {
    ($name:ident $(, $more:expr)* $(,)?) => { stringify!($name) };
}
use text;

const fn identity<'a, const N: usize>(text: &'a str) -> &'a str
where
    [u8; N]: Sized,
{
    text
}

fn helper(ctx: &mut MigrationContext) -> Result<()> {
    struct Local<'a, T: ?Sized>(&'a T);
    impl<T: ?Sized> Drop for Local<'_, T> {
        fn drop(&mut self) {}
    }
    let _ = Local::<str>("");
    Ok(())
}

/// Is named by documentation only, which counts.
fn helper_of_docs() {}

fn remove_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DROP TABLE tags", [])?;
    Ok(())
}

pub fn has_tags(ctx: &MigrationContext) -> Result<bool> {
    ctx.table_exists("conversations", "tags")
}

#[cfg(test)]
mod tests {
    fn helper() {}
}

fn main() {
    registry().check().expect("the lock file agrees");
}
