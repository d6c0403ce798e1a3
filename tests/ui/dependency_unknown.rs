//! A dependency that no migration has.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0001", databases = ["conversations"])]
pub fn create(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = ["conversations"], depends_on = ["0002"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
