//! A database that `migrations!` does not declare, where `migrations!` stands below.

use agentos_migrate::{MigrationContext, Result, migration};

#[migration(version = "0001", databases = ["conversatons"])]
pub fn create(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

agentos_migrate::migrations! { databases: [conversations, rules] }

fn main() {}
