//! The specification as tests. One file is one chapter; this is the table of contents.

mod support;

mod agentos;
mod backups;
mod command_line;
mod dependencies;
mod failures;
mod foreign_keys;
mod history;
mod manual;
mod processes;
mod rebuild;
mod rehearsal;
mod running;
mod structure;
mod testing;
mod write_ahead_logs;

agentos_migrate::migrations! {
    databases: [chat, rules],
}
