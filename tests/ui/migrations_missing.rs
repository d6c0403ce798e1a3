//! Migrations in a crate that declares no set.

use agentos_migrate::{MigrationContext, Result, migration};

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = ["conversations"], depends_on = ["0002"])]
pub fn add_notes(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
