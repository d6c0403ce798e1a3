//! A migration that depends on a later one.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], depends_on = ["0003"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = ["conversations"])]
pub fn add_more(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
