//! A statement with a syntax error in the downgrade.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = remove_tags)]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn remove_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DROP TABEL tags", [])?;
    Ok(())
}

fn main() {}
