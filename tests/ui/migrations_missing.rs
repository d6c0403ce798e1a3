//! A migration in a crate that declares no set.

use agentos_migrate::{MigrationContext, Result, migration};

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
