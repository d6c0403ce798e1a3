//! A way back, and the word that there is none.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], downgrade = remove_tags, irreversible = "the tags are gone")]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn remove_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
