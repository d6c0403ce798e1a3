//! The attribute on what is no function.

use agentos_migrate::migration;

agentos_migrate::migrations! { databases: [conversations, rules] }

#[migration(version = "0002", databases = ["conversations"])]
pub struct AddTags;

fn main() {}
