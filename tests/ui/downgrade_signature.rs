//! A downgrade that takes nothing.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = remove_tags)]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn remove_tags() -> Result<()> {
    Ok(())
}

fn main() {}
