//! An attribute without databases, and one with none in the list.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002")]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = [])]
pub fn add_more(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
