CREATE TABLE contract_events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    contract_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    actor TEXT NOT NULL,
    details TEXT,
    timestamp TEXT NOT NULL,
    FOREIGN KEY (contract_id) REFERENCES contracts(contract_id)
);

CREATE TABLE contracts (
    contract_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    contract_type TEXT NOT NULL,
    scope_json TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    activated_at TEXT,
    expires_at TEXT,
    revoked_at TEXT,
    version INTEGER DEFAULT 1,
    previous_contract_id TEXT,
    description TEXT,
    consent_method TEXT,
    revocation_reason TEXT,
    metadata_json TEXT,
    signature_hash TEXT
);
CREATE INDEX idx_contracts_status ON contracts(status);
CREATE INDEX idx_contracts_user_id ON contracts(user_id);

CREATE TABLE rules (
    id TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    rule_type TEXT NOT NULL,
    section TEXT NOT NULL,
    section_path_json TEXT NOT NULL,
    authority_level TEXT NOT NULL,
    scope TEXT NOT NULL,
    source_file TEXT,
    line_number INTEGER,
    is_immutable INTEGER NOT NULL DEFAULT 0,
    keywords_json TEXT,
    references_json TEXT
);
CREATE INDEX idx_rules_immutable ON rules(id) WHERE is_immutable = 1;
CREATE INDEX idx_rules_scope ON rules(scope, rule_type);
