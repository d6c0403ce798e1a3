//! SQL that SQLite does not parse, in `sql!`.


agentos_migrate::migrations! { databases: [conversations, rules] }

pub const TAGS: &str = agentos_migrate::sql!("CREATE TABLE tags(name TEXT");

fn main() {}
