//! A file that is named after another version than it holds.

agentos_migrate::migrations! { databases: [notes] }

#[path = "fixtures/file_name/0002_add_tags.rs"]
mod add_tags;

fn main() {}
