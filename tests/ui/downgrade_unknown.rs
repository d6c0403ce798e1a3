//! A downgrade that does not exist.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = remove_tag)]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

pub fn remove_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
