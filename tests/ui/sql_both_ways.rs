//! A folder with mistakes in a file that applies and in the one that reverts.

agentos_migrate::migrations! { databases: [notes], dir: "fixtures/both_ways" }

fn main() {}
