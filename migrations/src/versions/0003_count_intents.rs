//! 0003: what the AI decided about each conversation, counted where conversations are listed.

use agentos_migrate::{MigrationContext, Result, migration};

/// Counts the logged intents of each conversation, and finds them by an index.
#[migration(
    version = "0003",
    databases = ["conversations", "intent_log"],
    depends_on = ["0002"],
    schema_version = "1.2.0",
    downgrade = forget_intents,
    validate = intents_are_counted,
)]
pub(crate) fn count_intents(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute(
        "conversations",
        "ALTER TABLE conversations ADD COLUMN intent_count INTEGER NOT NULL DEFAULT 0",
        [],
    )?;
    ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN last_intent_at TEXT", [])?;
    ctx.execute(
        "intent_log",
        "CREATE INDEX idx_intent_log_related ON intent_log(related_entity_type, related_entity_id)",
        [],
    )?;
    ctx.copy_rows(
        "intent_log",
        "SELECT count(*), max(created_at), related_entity_id FROM intent_log
        WHERE related_entity_type = 'conversation' GROUP BY related_entity_id",
        "conversations",
        "UPDATE conversations SET intent_count = ?1, last_intent_at = ?2 WHERE id = ?3",
    )?;
    Ok(())
}

fn forget_intents(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("intent_log", "DROP INDEX idx_intent_log_related", [])?;
    ctx.execute("conversations", "ALTER TABLE conversations DROP COLUMN last_intent_at", [])?;
    ctx.execute("conversations", "ALTER TABLE conversations DROP COLUMN intent_count", [])?;
    Ok(())
}

fn intents_are_counted(ctx: &MigrationContext) -> Result<bool> {
    let counted: i64 = ctx.query_row("conversations", "SELECT coalesce(sum(intent_count), 0) FROM conversations", [], |row| row.get(0))?;
    let logged = ctx.query_map(
        "intent_log",
        "SELECT related_entity_id, count(*) FROM intent_log WHERE related_entity_type = 'conversation' GROUP BY 1",
        [],
        |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?)),
    )?;
    let mut expected = 0;
    for (conversation, intents) in logged {
        // Intents outlive the conversation that they were about.
        let sql = "SELECT EXISTS (SELECT 1 FROM conversations WHERE id = ?1)";
        if ctx.query_row("conversations", sql, [conversation], |row| row.get(0))? {
            expected += intents;
        }
    }
    Ok(counted == expected)
}
