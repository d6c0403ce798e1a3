CREATE TABLE audit_log (
    entry_id TEXT PRIMARY KEY,
    timestamp TEXT NOT NULL,
    message_type TEXT NOT NULL,
    message_id TEXT NOT NULL,
    source TEXT NOT NULL,
    destination TEXT NOT NULL,
    intent TEXT,
    status TEXT,
    constitutional_status TEXT,
    processing_time_ms INTEGER,
    error TEXT
);
CREATE INDEX idx_audit_log_timestamp ON audit_log(timestamp);

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN
    SELECT RAISE(ABORT, 'audit log is append-only');
END;
