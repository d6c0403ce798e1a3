//! A migration without a return type.

use agentos_migrate::{MigrationContext, migration};

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub fn add_tags(_ctx: &mut MigrationContext) {}

fn main() {}
