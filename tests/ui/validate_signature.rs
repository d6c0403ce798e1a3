//! A validation that returns no answer.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], validate = has_tags)]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn has_tags(_ctx: &MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
