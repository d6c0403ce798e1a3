//! A downgrade with the context of the wrong transaction.

use agentos_migrate::{ManualContext, MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"], transaction = "manual", downgrade = remove_tags)]
pub fn add_tags(ctx: &mut ManualContext) -> Result<()> {
    ctx.commit_all()
}

fn remove_tags(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

fn main() {}
