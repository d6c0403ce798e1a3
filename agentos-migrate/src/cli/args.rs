//! The arguments, as clap reads them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit status:
   0  done, or clean
   1  failed, and everything that had begun was rolled back
   2  something is pending or would change (--check)
   3  a checksum, a schema, a database, a backup or a migration (lint) is not what it should be
   4  the data is newer than this program
   5  a file or the data directory is in use
   6  a person has to decide
  64  the call is wrong";

/// Brings the SQLite databases of a data directory to the version of this program, all files or none.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The directory that holds the databases
    #[arg(long, value_name = "PATH", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Say more: the SQL of `--rehearse`, paths, times; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(super) verbose: u8,
    /// Say only the answer and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Answer with one JSON document, errors included
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(super) color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is applied and what is pending
    Status(Status),
    /// Apply what is pending
    Upgrade(Upgrade),
    /// Revert everything above a version
    Downgrade(Downgrade),
    /// Show what an upgrade would do, without doing it
    Plan(Plan),
    /// Show which migration needs which
    Graph(Graph),
    /// Show the event log: what this program did to the data directory
    History,
    /// Record that a modified migration, or a schema that drifted, is meant; runs nothing
    Accept(Accept),
    /// Finish what an interrupted run left, and mend the history
    Recover(Recover),
    /// Compare history, checksums and schema with this program, and check every file
    Verify(Verify),
    /// Make a backup of one moment across all databases
    Backup(Backup),
    /// Show the backups, newest first
    ListBackups(ListBackups),
    /// Bring a backup back, all files or none; without an id, show the backups
    Restore(Restore),
    /// Remove old backups
    Prune(Prune),
    /// Print the databases' schemas as normalised SQL, or keep schema files of this program's migrations
    Schema(Schema),
    /// Write the file of a new migration
    New(New),
    /// Run every migration on made-up rows and say what is wrong with it; the data is not touched
    Lint(Lint),
    /// Record new migrations in the lock file
    Lock(Lock),
    /// Print a completion script for a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Exit with 2 if anything is pending
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Up to this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(super) target: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Graph {
    /// Print the graph in the DOT language of Graphviz
    #[arg(long)]
    pub(super) dot: bool,
}

/// How a run is done.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Running {
    /// Run it on copies and keep nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Run it on copies first, and go on only if that passed
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) rehearse: bool,
    /// Make no backup first
    #[arg(long)]
    pub(super) no_backup: bool,
    /// Go on if the backup fails, and run modified migrations again
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

/// How patient a command is that writes; a question gives up soon by itself.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// How long to wait for other runs and for programs that use the files
    #[arg(long = "wait", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) time: Duration,
}

#[derive(Debug, Args)]
pub(super) struct Upgrade {
    /// Up to this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(super) target: Option<String>,
    #[command(flatten)]
    pub(super) running: Running,
    /// Put the whole run into one transaction
    #[arg(long)]
    pub(super) all_or_nothing: bool,
}

#[derive(Debug, Args)]
pub(super) struct Downgrade {
    /// Down to this version; 0000 reverts everything
    #[arg(long, value_name = "VERSION")]
    pub(super) target: String,
    #[command(flatten)]
    pub(super) running: Running,
}

#[derive(Debug, Args)]
pub(super) struct Accept {
    /// The modified migration
    #[arg(value_name = "VERSION")]
    pub(super) version: Option<String>,
    /// What `verify` calls drift now, in all databases; a later change of it is drift again
    #[arg(long, conflicts_with = "version")]
    pub(super) drift: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
pub(super) struct Recover {
    /// Make this lost database anew, without its rows; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) recreate: Vec<String>,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Check this backup instead
    #[arg(long, value_name = "ID")]
    pub(super) backup: Option<String>,
    /// Where the backups are [default: `backups` in the data directory]
    #[arg(long = "backup-dir", value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ListBackups {
    /// Where the backups are [default: `backups` in the data directory]
    #[arg(long = "backup-dir", value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Leave out everything but the databases
    #[arg(long)]
    pub(super) no_blobs: bool,
    /// Write a folder instead of an archive
    #[arg(long)]
    pub(super) no_compress: bool,
    /// Only this database; may be given several times
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(super) database: Vec<String>,
    /// Something for the manifest; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) waiting: Waiting,
    /// Where the backups are [default: `backups` in the data directory]
    #[arg(long = "backup-dir", value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "ID")]
    pub(super) id: Option<String>,
    /// Do not compare checksums
    #[arg(long)]
    pub(super) skip_verify: bool,
    /// Only this database; may be given several times
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(super) database: Vec<String>,
    /// Leave everything but the databases as it is
    #[arg(long)]
    pub(super) no_blobs: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
    /// Where the backups are [default: `backups` in the data directory]
    #[arg(long = "backup-dir", value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Keep this many of the newest; the newest good one stays also with 0
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) keep: usize,
    /// Keep everything younger than this
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(super) keep_days: u32,
    /// Only show what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
    /// Where the backups are [default: `backups` in the data directory]
    #[arg(long = "backup-dir", value_name = "PATH")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[expect(
    clippy::option_option,
    reason = "clap's form of an option with a value that may be left out"
)]
pub(super) struct Schema {
    /// What this program's migrations make up to this version, instead of what is there
    #[arg(long, value_name = "VERSION")]
    pub(super) at: Option<String>,
    /// Write what this program's migrations make, a file per database, into this folder [default: `schema` of their crate]
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub(super) write: Option<Option<PathBuf>>,
    /// Exit with 2 unless the files in this folder [default: `schema` of their crate] are what this program's migrations make
    #[arg(long, value_name = "PATH", num_args = 0..=1, conflicts_with = "write")]
    pub(super) check: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// What it does, in a few words
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// The database [default: the first of the set]
    #[arg(long, value_name = "NAME")]
    pub(super) database: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Lint {
    /// Only these [default: all]
    #[arg(value_name = "VERSION")]
    pub(super) versions: Vec<String>,
    /// Only those above this version
    #[arg(long, value_name = "VERSION")]
    pub(super) since: Option<String>,
    /// Only those that the lock file does not hold
    #[arg(long)]
    pub(super) unreleased: bool,
    /// How to write what was found; `github` annotates pull requests
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: LintFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LintFormat {
    Text,
    Github,
    Json,
}

impl Command {
    /// Returns whether the command only asks.
    pub(super) fn only_asks(&self) -> bool {
        match self {
            Self::Status(_)
            | Self::Plan(_)
            | Self::Graph(_)
            | Self::History
            | Self::Verify(_)
            | Self::ListBackups(_)
            | Self::Lint(_)
            | Self::Completions(_) => true,
            Self::Schema(schema) => schema.write.is_none(),
            Self::Lock(lock) => lock.check,
            _ => false,
        }
    }

    /// Returns whether a signal may end the command where it is; others watch for it themselves.
    pub(super) fn can_end_at_once(&self) -> bool {
        let watches = matches!(self, Self::Verify(verify) if verify.backup.is_some());
        self.only_asks() && !watches
    }

    /// Returns whether the command itself asks for what `--json` asks for.
    pub(super) fn asks_for_json(&self) -> bool {
        matches!(self, Self::Lint(lint) if lint.format == LintFormat::Json)
    }
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// Change nothing; exit with 2 if a migration is missing
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// Reads `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads a duration such as `500ms`, `30s`, `5m` or `1h`; a plain number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no duration: write `500ms`, `30s`, `5m` or `1h`"))?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3_600))),
        unit => Err(format!("`{unit}` is no unit of time: write `500ms`, `30s`, `5m` or `1h`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("soon").is_err() && duration("5d").is_err() && duration("-1s").is_err());
    }
}
