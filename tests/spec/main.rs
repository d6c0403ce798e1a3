//! The specification as tests. One file is one chapter; this is the table of contents.

mod support;

mod agentos;
mod agreement;
mod answers;
mod backup_faults;
mod backup_losses;
mod backup_trust;
mod backups;
mod calls;
mod circles;
mod command_line;
mod damaged_files;
mod dependencies;
mod drift;
mod failures;
mod foreign_keys;
mod history;
mod lint;
mod lint_losses;
mod lint_rules;
mod lost_files;
mod manual;
mod memory;
mod options;
mod places;
mod processes;
mod races;
mod rebuild;
mod rehearsal;
mod restores;
mod running;
mod schema_files;
mod structure;
mod testing;
mod write_ahead_logs;

agentos_migrate::migrations! {
    databases: [chat, rules],
}
