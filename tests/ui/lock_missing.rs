//! A lock file that does not exist.

agentos_migrate::migrations! { databases: [conversations, rules], lock: "fixtures/missing.lock" }

fn main() {}
