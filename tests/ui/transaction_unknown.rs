//! A transaction of no known kind.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], transaction = "auto")]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
