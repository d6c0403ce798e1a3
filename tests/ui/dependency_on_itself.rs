//! A migration that depends on itself.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], depends_on = ["0002"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
