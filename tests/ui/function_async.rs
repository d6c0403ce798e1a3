//! A migration that is `async`.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub async fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
