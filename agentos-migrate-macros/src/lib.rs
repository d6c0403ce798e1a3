//! The macros of agentos-migrate.
//!
//! Read (`keys`, `lexer`, `trees`), parse (`attr`, `ast`, `set`, `folder`, `sql_file`),
//! judge (`valid`, `signature`, `sql`, `calls`, `lock`, `recorded`), write (`expand`,
//! `fallback`): no rule outside the judges, no `quote!` outside the writers.
//! `source` and `meaning` say what a migration is made of, `checksum` sums it
//! up. Generated code points at `agentos_migrate::private` only.
//!
//! Every macro is expanded at each build, so what counts is the price of one.
//! The compiler is asked for a whole text instead of for its tokens, and what
//! is asked of it in return is a static and nothing else: no `impl`, no item
//! around it, unless a dependency has to be proved.

mod ast;
mod attr;
mod baseline;
mod calls;
mod checksum;
mod compiler;
mod expand;
mod fallback;
mod folder;
mod items;
mod keys;
mod lexer;
mod lint_codes;
mod lock;
mod meaning;
mod near;
mod recorded;
mod set;
mod signature;
mod source;
mod sql;
mod sql_file;
mod sql_header;
mod state;
mod trees;
mod valid;

use proc_macro::TokenStream;

/// Declares a function as a migration of the set that `migrations!` declares in this crate.
///
/// ```ignore
/// /// Adds `new_field` to conversations.
/// #[migration(version = "0003", databases = ["conversations"], depends_on = ["0002"])]
/// pub fn add_new_field(ctx: &mut MigrationContext) -> Result<()> {
///     ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN new_field TEXT", [])?;
///     Ok(())
/// }
/// ```
///
/// | key | value |
/// |---|---|
/// | `version` | required: 4 to 20 digits, ordered as a number |
/// | `databases` | required: at least one, each declared in `migrations!` |
/// | `depends_on` | versions that must be applied before, each smaller |
/// | `name` | by default the function's name |
/// | `description` | by default the first paragraph of the doc comment |
/// | `schema_version` | the `version` column of each database's `schema_version` row |
/// | `downgrade` | the function that reverts it; or `irreversible = "why"` |
/// | `validate` | a function that is asked before the commit: `fn(&MigrationContext) -> Result<bool>` |
/// | `transaction` | `"atomic"`, or `"manual"`: the function takes `&mut ManualContext` and commits |
/// | `legacy_checksums` | checksums that an older tool recorded for this version |
/// | `deletes` | tables of which rows are deleted on purpose |
/// | `allow` | lint codes that are fine here, with a reason: `"AM102: why"` |
///
/// The function stays callable as an ordinary one.
#[proc_macro_attribute]
pub fn migration(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    match valid::migration(attribute.into(), &item) {
        Ok(checked) => expand::migration(&checked, &item).into(),
        Err(errors) => fallback::item(&item, errors).into(),
    }
}

/// Declares the set of this crate's migrations; stands in the crate's root.
///
/// ```ignore
/// agentos_migrate::migrations! {
///     databases: [conversations, context],
///     lock: "migrations.lock",        // optional: released migrations, which must not change
///     dir: "src/versions",            // optional: one file per migration, found by itself
///     backup: ["blobs", "crypto"],    // optional: what a backup holds besides the databases
///     schema_version_table: "schema_version",
///     baseline: "src/baseline",       // optional: <database>.sql, what the application made before 0001
/// }
/// ```
///
/// Generates `pub fn registry() -> agentos_migrate::Registry`.
#[proc_macro]
pub fn migrations(input: TokenStream) -> TokenStream {
    match set::parse(input.into()) {
        Ok(set) => expand::set(&set).into(),
        Err(errors) => fallback::set(errors).into(),
    }
}

/// Declares a migration of SQL files, whose paths start at the crate's root.
///
/// ```ignore
/// agentos_migrate::sql_migration! {
///     version: "0004",
///     name: "add_tags",
///     databases: ["conversations"],
///     up: "sql/0004.up.sql",
///     down: "sql/0004.down.sql",
/// }
/// ```
///
/// For several databases: `up: { conversations: "…", context: "…" }`.
#[proc_macro]
pub fn sql_migration(input: TokenStream) -> TokenStream {
    match sql_file::declared(input.into()) {
        Ok(migration) => expand::sql_migration(&migration).into(),
        Err(refused) => fallback::migration(refused).into(),
    }
}

/// Checks an SQL text while compiling; the value is the text.
///
/// ```ignore
/// const INDEX: &str = agentos_migrate::sql!("CREATE INDEX by_title ON conversations(title)");
/// ```
#[proc_macro]
pub fn sql(input: TokenStream) -> TokenStream {
    match syn::parse::<syn::LitStr>(input) {
        Ok(text) => expand::checked_text(&text, sql::check_text(&text)).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
