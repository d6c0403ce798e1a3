//! A key that does not exist.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], depend_on = ["0001"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
