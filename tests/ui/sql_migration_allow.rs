//! `allow` of an SQL migration follows the same rules.

agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "0001",
    databases: ["conversations"],
    up: "fixtures/tags.sql",
    allow: ["AM303: "],
}

fn main() {}
