//! A lock file with a merge conflict.

agentos_migrate::migrations! { databases: [conversations, rules], lock: "fixtures/conflict.lock" }

fn main() {}
