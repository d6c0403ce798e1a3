//! SQL files declared with several mistakes, which are told at once.

agentos_migrate::migrations! { databases: [conversations, rules] }

agentos_migrate::sql_migration! {
    version: "2",
    databases: ["rule", "conversations"],
    depends_on: ["0001", 2],
    allow: ["AM101"],
    irreversible: "the tags are gone",
    up: { conversations: "fixtures/index.sql", context: "fixtures/tags.sql" },
    down: { conversations: "fixtures/missing.sql" },
}

fn main() {}
