//! A migration that was released and changed since.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules], lock: "fixtures/released.lock" }

const TAGS: &str = "CREATE TABLE tag (name TEXT NOT NULL)";

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute_batch("conversations", TAGS)?;
    Ok(())
}

fn main() {}
