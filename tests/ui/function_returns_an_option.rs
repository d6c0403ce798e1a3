//! A migration that returns no `Result`.

use agentos_migrate::{MigrationContext, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) -> Option<()> {
    Some(())
}

fn main() {}
