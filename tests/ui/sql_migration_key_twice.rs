//! SQL files declared with one key twice.

agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["conversations"],
    up: "fixtures/tags.sql",
    up: "fixtures/tags.sql",
}

fn main() {}
