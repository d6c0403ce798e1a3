//! A baseline that SQLite does not parse.

agentos_migrate::migrations! { databases: [conversations], baseline: "fixtures/baseline_sql" }

fn main() {}
