//! Two migrations of one version, in two modules.

use agentos_migrate::{MigrationContext, Result, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0001", databases = ["conversations"])]
pub fn create(_ctx: &mut MigrationContext) -> Result<()> {
    Ok(())
}

mod later {
    use agentos_migrate::{MigrationContext, Result, migration};

    #[migration(version = "0001", databases = ["rules"])]
    pub fn add_tags(_ctx: &mut MigrationContext) -> Result<()> {
        Ok(())
    }
}

fn main() {}
