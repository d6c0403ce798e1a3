//! A database and a dependency that are named twice.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0001", databases = ["conversations", "conversations"])]
pub fn create(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0002", databases = ["conversations"], depends_on = ["0001", "0001"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
