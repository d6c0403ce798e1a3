//! Agent OS's migrations: conversations, context, rules, audit and intent log.

agentos_migrate::migrations! {
    databases: [conversations, context, rules, audit, intent_log],
    lock: "migrations.lock",
    dir: "src/versions",
    baseline: "src/baseline",
}

#[cfg(test)]
mod tests {
    agentos_migrate::migration_tests!(super::registry());

    #[test]
    fn the_schema_files_are_current() -> Result<(), agentos_migrate::Error> {
        agentos_migrate::testing::schema_files(&super::registry(), "schema")
    }

    #[test]
    fn the_lint_finds_nothing() -> Result<(), agentos_migrate::Error> {
        agentos_migrate::testing::lint(&super::registry())?.check()
    }
}
