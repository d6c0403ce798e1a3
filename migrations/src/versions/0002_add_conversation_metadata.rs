//! 0002: when a conversation was last active, how long it is, its tags.

use agentos_migrate::{MigrationContext, Result, migration};

/// Adds `last_active_at`, `message_count`, and tags columns to the conversations table for improved organization and querying.
///
/// `message_count` is in the application's original schema; it is added only
/// where an older tool's downgrade dropped it, and a downgrade leaves it.
#[migration(
    version = "0002",
    databases = ["conversations"],
    depends_on = ["0001"],
    schema_version = "1.1.0",
    downgrade = remove_conversation_metadata,
    validate = has_conversation_metadata,
    legacy_checksums = ["b6d9a02a4d9668fd"],
)]
pub(crate) fn add_conversation_metadata(ctx: &mut MigrationContext) -> Result<()> {
    let db = "conversations";
    if !ctx.column_exists(db, "conversations", "last_active_at")? {
        ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN last_active_at TEXT", [])?;
    }
    if !ctx.column_exists(db, "conversations", "tags")? {
        ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN tags TEXT DEFAULT '[]'", [])?;
    }
    if !ctx.column_exists(db, "conversations", "message_count")? {
        ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN message_count INTEGER DEFAULT 0", [])?;
        ctx.execute(
            "conversations",
            "UPDATE conversations SET message_count =
                (SELECT count(*) FROM messages WHERE messages.conversation_id = conversations.id)",
            [],
        )?;
    }
    // Also where the column was there and empty: a failed attempt of an older tool left it so.
    ctx.execute(
        "conversations",
        "UPDATE conversations SET last_active_at =
            (SELECT max(timestamp) FROM messages WHERE messages.conversation_id = conversations.id)
        WHERE last_active_at IS NULL",
        [],
    )?;
    ctx.execute(
        "conversations",
        "CREATE INDEX IF NOT EXISTS idx_conversations_last_active ON conversations(last_active_at)",
        [],
    )?;
    Ok(())
}

fn remove_conversation_metadata(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("conversations", "DROP INDEX IF EXISTS idx_conversations_last_active", [])?;
    for column in ["last_active_at", "tags"] {
        if ctx.column_exists("conversations", "conversations", column)? {
            ctx.execute("conversations", &format!("ALTER TABLE conversations DROP COLUMN {column}"), [])?;
        }
    }
    Ok(())
}

fn has_conversation_metadata(ctx: &MigrationContext) -> Result<bool> {
    for column in ["last_active_at", "message_count", "tags"] {
        if !ctx.column_exists("conversations", "conversations", column)? {
            return Ok(false);
        }
    }
    let sql = "SELECT count(*) FROM conversations
        WHERE last_active_at IS NULL AND EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id)";
    let unfilled: i64 = ctx.query_row("conversations", sql, [], |row| row.get(0))?;
    Ok(unfilled == 0 && ctx.index_exists("conversations", "idx_conversations_last_active")?)
}
