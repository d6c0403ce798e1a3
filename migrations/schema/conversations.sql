CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    message_count INTEGER DEFAULT 0,
    metadata_json TEXT,
    archived INTEGER DEFAULT 0,
    last_active_at TEXT,
    tags TEXT DEFAULT '[]',
    intent_count INTEGER NOT NULL DEFAULT 0,
    last_intent_at TEXT
);
CREATE INDEX idx_conversations_last_active ON conversations(last_active_at);
CREATE INDEX idx_conversations_updated ON conversations(updated_at DESC);

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    metadata_json TEXT,
    parent_message_id TEXT,
    FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
);
CREATE INDEX idx_messages_conversation ON messages(conversation_id);
CREATE INDEX idx_messages_timestamp ON messages(timestamp);

CREATE VIRTUAL TABLE messages_fts USING fts5(content, content = messages, content_rowid = rowid);
