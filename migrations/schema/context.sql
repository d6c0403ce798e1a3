CREATE TABLE memories (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    memory_type TEXT NOT NULL,
    source TEXT DEFAULT 'user',
    tags_json TEXT,
    metadata_json TEXT,
    created_at TEXT NOT NULL,
    accessed_at TEXT NOT NULL,
    access_count INTEGER DEFAULT 0,
    relevance_score REAL DEFAULT 1.0,
    consent_given INTEGER DEFAULT 1,
    retention_days INTEGER
);
CREATE INDEX idx_memories_user_id ON memories(user_id);
CREATE INDEX idx_memories_user_type ON memories(user_id, memory_type);
