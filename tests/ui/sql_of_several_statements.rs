//! Several statements where one is run.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DELETE FROM tags; DELETE FROM notes", [])?;
    Ok(())
}

fn main() {}
