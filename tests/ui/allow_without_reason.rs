//! `allow` gives no reason.

agentos_migrate::migrations! { databases: [conversations, rules] }

use agentos_migrate::{MigrationContext, Result, migration};

#[migration(version = "0001", databases = ["conversations"], allow = ["AM102"])]
fn first(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
