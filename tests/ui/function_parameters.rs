//! A migration that takes more than the context, and one that takes nothing.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext, _dry_run: bool) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = ["conversations"])]
pub fn add_more() -> Result<()> {
    Ok(())
}

fn main() {}
