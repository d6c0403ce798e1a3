//! 0001: what Agent OS's own code makes of its databases.

use agentos_migrate::{MigrationContext, Result, migration};

const CONVERSATIONS: &str = include_str!("../baseline/conversations.sql");
const CONTEXT: &str = include_str!("../baseline/context.sql");
const RULES: &str = include_str!("../baseline/rules.sql");
const AUDIT: &str = include_str!("../baseline/audit.sql");
const INTENT_LOG: &str = include_str!("../baseline/intent_log.sql");

/// Baseline schema
///
/// A database that the application filled stays as it is and is only
/// recorded. One that is missing or empty gets the tables that the
/// application would make, so that later migrations find them.
#[migration(
    version = "0001",
    databases = ["conversations", "context", "rules", "audit", "intent_log"],
    schema_version = "1.0.0",
    downgrade = keep_the_applications_tables,
    validate = has_the_applications_tables,
    legacy_checksums = ["e85dbdfca3c410a0"],
)]
pub(crate) fn baseline(ctx: &mut MigrationContext) -> Result<()> {
    create_where_empty(ctx, "conversations", CONVERSATIONS)?;
    create_where_empty(ctx, "context", CONTEXT)?;
    create_where_empty(ctx, "rules", RULES)?;
    create_where_empty(ctx, "audit", AUDIT)?;
    create_where_empty(ctx, "intent_log", INTENT_LOG)
}

fn create_where_empty(ctx: &mut MigrationContext, database: &str, schema: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'schema_version'";
    let objects: i64 = ctx.query_row(database, sql, [], |row| row.get(0))?;
    if objects == 0 {
        ctx.execute_batch(database, schema)?;
    }
    Ok(())
}

/// The tables hold the user's data and are the application's: nothing is dropped.
#[expect(clippy::unnecessary_wraps, reason = "a downgrade returns a result")]
fn keep_the_applications_tables(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn has_the_applications_tables(ctx: &MigrationContext) -> Result<bool> {
    let tables = [
        ("conversations", "conversations"),
        ("conversations", "messages"),
        ("intent_log", "intent_log"),
    ];
    for (database, table) in tables {
        if !ctx.table_exists(database, table)? {
            return Ok(false);
        }
    }
    Ok(true)
}
