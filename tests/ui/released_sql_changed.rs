//! SQL files that were released and changed since.

agentos_migrate::migrations! { databases: [conversations, rules], lock: "fixtures/released.lock" }

agentos_migrate::sql_migration! {
    version: "0002",
    databases: ["conversations"],
    up: "fixtures/tags.sql",
}

fn main() {}
