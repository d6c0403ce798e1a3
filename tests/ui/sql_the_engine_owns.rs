//! Transactions and settings that the engine keeps to itself.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute_batch("conversations", "BEGIN; DELETE FROM tags; COMMIT")?;
    ctx.execute_batch("conversations", "PRAGMA foreign_keys = OFF")?;
    Ok(())
}

fn main() {}
