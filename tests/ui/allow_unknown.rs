//! `allow` names a code that no rule has.

agentos_migrate::migrations! { databases: [conversations, rules] }

use agentos_migrate::{MigrationContext, Result, migration};

#[migration(version = "0001", databases = ["conversations"], allow = ["AM120: nobody reads it"])]
fn first(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
