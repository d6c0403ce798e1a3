//! A migration that was released and changed since.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules], lock: "fixtures/released.lock" }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
