//! Texts that no history and no version table holds.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0001", databases = ["conversations"], schema_version = "", legacy_checksums = ["oops"])]
pub fn create(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["rules"],
    schema_version: " ",
    legacy_checksums: ["b6d9a02a4d9668fd", "b6d9a02a4d9668f"],
    up: "fixtures/tags.sql",
}

fn main() {}
