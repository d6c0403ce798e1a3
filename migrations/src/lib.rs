//! Agent OS's migrations: conversations, context, rules, audit and intent log.

agentos_migrate::migrations! {
    databases: [conversations, context, rules, audit, intent_log],
    lock: "migrations.lock",
    dir: "src/versions",
}
