//! A commit in a migration that the engine commits.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.commit("conversations")?;
    Ok(())
}

fn main() {}
