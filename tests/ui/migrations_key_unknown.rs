//! A declaration of the set with a key that does not exist.


agentos_migrate::migrations! { databases: [conversations, rules], directory: "src/versions" }

fn main() {}
