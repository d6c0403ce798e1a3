agentos_migrate::migrations! { databases: [notes], dir: "fixtures/folder" }

fn main() {}
