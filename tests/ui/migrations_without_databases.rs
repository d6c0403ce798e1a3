//! A set that declares no databases.

agentos_migrate::migrations! { lock: "fixtures/released.lock" }

fn main() {}
