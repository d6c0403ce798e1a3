//! The command line, built from a migrations crate.
//!
//! Flags become `settings::Settings`, a command asks or acts through the
//! public interface of the library, `ui` writes: the answer to standard
//! output, talk to standard error. One command is one file.

mod accept;
mod args;
mod backup;
mod completions;
mod downgrade;
mod exit;
mod graph;
mod history;
mod lint;
mod list_backups;
mod lock;
mod new;
mod plan;
mod prune;
mod recover;
mod restore;
mod run;
mod schema;
mod settings;
mod signals;
mod status;
mod ui;
mod upgrade;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use self::args::{Arguments, Command};
use self::settings::Settings;
use self::ui::Ui;
use crate::error::{Error, ErrorKind};
use crate::registry::Registry;

/// Runs the command line on a compiled set, with Agent OS's data directory as the default.
///
/// The data directory is that of `--data-dir`, else of `AGENT_OS_DATA_DIR`,
/// else `~/.agent-os/data`. [`App`] takes other names.
pub fn main(registry: Registry) -> ExitCode {
    App::new(registry).run()
}

/// A command line with names of its own.
///
/// # Examples
///
/// ```no_run
/// # let registry = agentos_migrate::Registry::new(&["notes"], vec![]);
/// let app = agentos_migrate::cli::App::new(registry)
///     .name("notes-migrate")
///     .data_dir_variable("NOTES_DATA_DIR")
///     .default_data_dir(".local/share/notes");
/// app.run();
/// ```
#[derive(Debug, Clone)]
pub struct App {
    registry: Registry,
    name: &'static str,
    variable: &'static str,
    default_data_dir: &'static str,
}

impl App {
    /// Makes the command line of a compiled set.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            name: "agentos-migrate",
            variable: "AGENT_OS_DATA_DIR",
            default_data_dir: ".agent-os/data",
        }
    }

    /// Sets the program's name, for help and hints.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets the environment variable that names the data directory.
    #[must_use]
    pub fn data_dir_variable(mut self, variable: &'static str) -> Self {
        self.variable = variable;
        self
    }

    /// Sets the data directory below the user's home that is used when nothing names one.
    #[must_use]
    pub fn default_data_dir(mut self, path: &'static str) -> Self {
        self.default_data_dir = path;
        self
    }

    /// Reads the program's arguments, does what they say, and returns the exit status.
    pub fn run(&self) -> ExitCode {
        self.run_with(std::env::args_os())
    }

    /// As [`run`](Self::run), with given arguments; the first is the program.
    pub fn run_with(&self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let parsed = self
            .command()
            .try_get_matches_from(&arguments)
            .and_then(|matches| Arguments::from_arg_matches(&matches));
        match parsed {
            Ok(arguments) => self.dispatch(arguments),
            Err(error) => ui::clap_error(&self.named(error), &arguments),
        }
    }

    /// Names the variable, where clap only says that the option lacks a value.
    fn named(&self, error: clap::Error) -> clap::Error {
        let is_of_option = error.to_string().contains("--data-dir");
        if !is_of_option || std::env::var_os(self.variable).is_none_or(|value| !value.is_empty()) {
            return error;
        }
        let variable = self.variable;
        self.command().error(
            clap::error::ErrorKind::InvalidValue,
            format!("the variable {variable} is empty, and names no data directory: set it, or `unset {variable}`"),
        )
    }

    fn command(&self) -> clap::Command {
        // Help names this program and this variable.
        Arguments::command()
            .name(self.name)
            .bin_name(self.name)
            .mut_arg("data_dir", |argument| argument.env(self.variable))
    }

    fn dispatch(&self, mut arguments: Arguments) -> ExitCode {
        arguments.global.json |= arguments.command.asks_for_json();
        let ui = Ui::new(&arguments.global, self.name);
        let only_asks = arguments.command.only_asks();
        let watched =
            if arguments.command.can_end_at_once() { signals::end_at_once() } else { Ok(()) };
        let outcome = watched.and_then(|()| Settings::resolve(self, &arguments.global)).and_then(
            |settings| match arguments.command {
                Command::Status(arguments) => status::run(&settings, &ui, &arguments),
                Command::Upgrade(arguments) => upgrade::run(&settings, &ui, &arguments),
                Command::Downgrade(arguments) => downgrade::run(&settings, &ui, &arguments),
                Command::Plan(arguments) => plan::run(&settings, &ui, &arguments),
                Command::Graph(arguments) => graph::run(&settings, &ui, &arguments),
                Command::History => history::run(&settings, &ui),
                Command::Accept(arguments) => accept::run(&settings, &ui, &arguments),
                Command::Recover(arguments) => recover::run(&settings, &ui, &arguments),
                Command::Verify(arguments) => verify::run(&settings, &ui, &arguments),
                Command::Backup(arguments) => backup::run(&settings, &ui, &arguments),
                Command::ListBackups(arguments) => list_backups::run(&settings, &ui, &arguments),
                Command::Restore(arguments) => restore::run(&settings, &ui, &arguments),
                Command::Prune(arguments) => prune::run(&settings, &ui, &arguments),
                Command::Schema(arguments) => schema::run(&settings, &ui, &arguments),
                Command::New(arguments) => new::run(&settings, &ui, &arguments),
                Command::Lint(arguments) => lint::run(&settings, &ui, &arguments),
                Command::Lock(arguments) => lock::run(&settings, &ui, &arguments),
                Command::Completions(arguments) => {
                    Ok(completions::run(&ui, self.command(), &arguments))
                }
            },
        );
        let code = outcome.unwrap_or_else(|error| {
            let error = if only_asks { error.or_unchanged() } else { error };
            ui.error(&error, None);
            exit::code_of(error.kind())
        });
        ui.check_answer(code).into()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// Makes an error of a wrong argument.
fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}
