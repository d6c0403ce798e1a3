//! SQL that SQLite does not parse, in the migration and in its downgrade.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = remove_tags)]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "CREATE TABEL tags(name TEXT)", [])?;
    Ok(())
}

fn remove_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DROP TABEL tags", [])?;
    Ok(())
}

fn main() {}
