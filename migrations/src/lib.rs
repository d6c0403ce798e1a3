//! Agent OS's migrations: conversations, context, rules, audit and intent log.

agentos_migrate::migrations! {
    databases: [conversations, context, rules, audit, intent_log],
    lock: "migrations.lock",
    dir: "src/versions",
}

#[cfg(test)]
mod tests {
    // The baseline's tables are the application's; its downgrade leaves them.
    agentos_migrate::migration_tests!(super::registry(), keeping: ["0001"]);
}
