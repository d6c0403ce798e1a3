//! A migration that takes something else than the context.

use agentos_migrate::{Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut String) -> Result<()> {
    Ok(())
}

fn main() {}
