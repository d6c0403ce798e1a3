//! What is refused to a migration and to a validation, by what SQLite asks for.

use rusqlite::hooks::{AuthAction, AuthContext};

/// What was refused, and what to write instead.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) instead: &'static str,
}

const ONE_TRANSACTION: &str = "remove it: the engine commits all databases of the migration at once; \
    `ctx.savepoint` nests, and `transaction = \"manual\"` hands commits to the author";
const OTHER_FILE: &str = "name the database in `databases = […]` and pass its name to `ctx.execute`; \
    `ctx.copy_rows` moves rows from one to another";
const OWN_SETTING: &str = "remove it: the engine sets and restores this for every migration \
    (foreign keys are off while it runs and are checked before the commit)";

/// Returns a refusal for what the engine keeps to itself.
pub(super) fn owned_by_the_engine(action: &AuthAction<'_>) -> Option<Refusal> {
    let refusal = |what: String, instead| Some(Refusal { what, instead });
    match action {
        AuthAction::Transaction { .. } => {
            refusal("BEGIN, COMMIT or ROLLBACK".to_owned(), ONE_TRANSACTION)
        }
        AuthAction::Attach { filename: "" } => refusal(
            "VACUUM".to_owned(),
            "`VACUUM` needs `transaction = \"manual\"`: `ctx.vacuum(database)`",
        ),
        AuthAction::Attach { .. } => refusal("ATTACH".to_owned(), OTHER_FILE),
        AuthAction::Detach { .. } => refusal("DETACH".to_owned(), OTHER_FILE),
        AuthAction::Function { function_name }
            if function_name.eq_ignore_ascii_case("load_extension") =>
        {
            refusal(
                "load_extension()".to_owned(),
                "load extensions in the program, not in a migration",
            )
        }
        AuthAction::Pragma { pragma_name, pragma_value }
            if !pragma_is_allowed(pragma_name, *pragma_value) =>
        {
            refusal(format!("PRAGMA {pragma_name}"), OWN_SETTING)
        }
        _ => None,
    }
}

/// PRAGMAs that read, and those whose writing is the migration's own business.
/// What is not listed is refused: <https://sqlite.org/pragma.html>.
fn pragma_is_allowed(name: &str, value: Option<&str>) -> bool {
    const ASKING: &[&str] = &[
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "freelist_count",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "module_list",
        "page_count",
        "pragma_list",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    ];
    const SETTING: &[&str] = &[
        "analysis_limit",
        "application_id",
        "cache_size",
        "defer_foreign_keys",
        "legacy_alter_table",
        "optimize",
        "user_version",
    ];
    const ASKING_ALONE: &[&str] =
        &["encoding", "foreign_keys", "journal_mode", "page_size", "schema_version", "synchronous"];
    let listed = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    listed(ASKING) || listed(SETTING) || (value.is_none() && listed(ASKING_ALONE))
}

/// Returns a refusal for what writes: a validation only reads.
pub(super) fn writes(request: &AuthContext<'_>) -> Option<Refusal> {
    let what = match request.action {
        AuthAction::Insert { table_name } => format!("INSERT into {table_name}"),
        AuthAction::Update { table_name, .. } => format!("UPDATE of {table_name}"),
        AuthAction::Delete { table_name } => format!("DELETE from {table_name}"),
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) } if sets(pragma_name) => {
            format!("PRAGMA {pragma_name}")
        }
        AuthAction::AlterTable { .. } | AuthAction::Reindex { .. } | AuthAction::Analyze { .. } => {
            "ALTER, REINDEX or ANALYZE".to_owned()
        }
        _ => return None,
    };
    Some(Refusal { what, instead: "a validation only reads; move the change into the migration" })
}

fn sets(pragma: &str) -> bool {
    ["application_id", "user_version", "optimize"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(pragma))
}
