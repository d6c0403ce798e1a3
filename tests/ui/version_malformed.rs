//! Versions that are too short, have letters, or are no text.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "3", databases = ["conversations"])]
pub fn one(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "v0004", databases = ["conversations"])]
pub fn two(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = 5, databases = ["conversations"])]
pub fn three(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
