//! A statement with fewer values than parameters.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DELETE FROM tags WHERE id = ?1 AND name = ?2", [3])?;
    Ok(())
}

fn main() {}
