//! A key that is given twice.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], version = "0003")]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
