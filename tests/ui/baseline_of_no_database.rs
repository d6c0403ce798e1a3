//! A file in the baseline's folder that is of no declared database.

agentos_migrate::migrations! { databases: [conversations, rules], baseline: "fixtures/baseline" }

fn main() {}
