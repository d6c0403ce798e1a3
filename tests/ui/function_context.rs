//! A migration whose context is not the one of its transaction.

use agentos_migrate::{ManualContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut ManualContext) -> Result<()> {
    Ok(())
}

fn main() {}
