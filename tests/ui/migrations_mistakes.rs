//! A set declared with several mistakes, which are told at once.

agentos_migrate::migrations! {
    databases: [conversations, rules, rules, migrations],
    lock: fixtures,
    lock: "fixtures/released.lock",
    dir: "fixtures/nowhere",
    baseline: "fixtures/nothing"
    backup: ["blobs", crypto],
}

fn main() {}
