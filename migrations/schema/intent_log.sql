CREATE TABLE intent_log (
    entry_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    intent_type TEXT NOT NULL,
    description TEXT NOT NULL,
    details_json TEXT,
    session_id TEXT,
    related_entity_type TEXT,
    related_entity_id TEXT,
    ip_address TEXT,
    user_agent TEXT,
    created_at TEXT NOT NULL,
    entry_hash TEXT,
    previous_hash TEXT
);
CREATE INDEX idx_intent_log_related ON intent_log(related_entity_type, related_entity_id);
CREATE INDEX idx_intent_log_session ON intent_log(session_id);
CREATE INDEX idx_intent_log_type ON intent_log(intent_type);
CREATE INDEX idx_intent_log_user_created ON intent_log(user_id, created_at DESC);
CREATE INDEX idx_intent_log_user_id ON intent_log(user_id);
