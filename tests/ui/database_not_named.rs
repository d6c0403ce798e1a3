//! A call on a database that the migration does not name.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversation", "DELETE FROM tags", [])?;
    ctx.execute("rules", "DELETE FROM rules", [])?;
    Ok(())
}

fn main() {}
