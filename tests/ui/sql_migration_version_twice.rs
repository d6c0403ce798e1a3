//! SQL files with the version of a function.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["rules"],
    up: "fixtures/tags.sql",
}

fn main() {}
