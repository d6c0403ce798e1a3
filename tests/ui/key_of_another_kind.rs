//! Keys with a value of another kind, one without a value, and lists that are written wrongly.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = "conversations", irreversible)]
pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

#[migration(version = "0003", databases = ["conversations" "rules"], depends_on = [0002, "0001"])]
pub fn add_links(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
