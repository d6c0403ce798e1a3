//! What the user sees: the answer on standard output, talk on standard error.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Color, Global};
use super::exit::Exit;
use super::signals;
use crate::backup::{BackupManager, Phase};
use crate::error::{Error, ErrorKind};
use crate::status::State;

/// Writes answers and talk.
pub(super) struct Ui {
    json: bool,
    quiet: bool,
    pub(super) name: &'static str,
    /// Why an answer could not be written.
    lost: RefCell<Option<std::io::Error>>,
}

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

impl Ui {
    pub(super) fn new(global: &Global, name: &'static str) -> Self {
        let choice = match global.color {
            // Obeys NO_COLOR and CLICOLOR_FORCE.
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Self { json: global.json, quiet: global.quiet, name, lost: RefCell::new(None) }
    }

    /// Returns whether progress is shown: on a terminal, to people, who did not ask for quiet.
    pub(super) fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Returns whether talk is shown.
    pub(super) fn shows_talk(&self) -> bool {
        !self.json && !self.quiet
    }

    /// Writes the answer: a text for people, or the one document.
    pub(super) fn answer(&self, text: &str, document: &impl Serialize) {
        if self.json {
            self.print(&pretty(document));
        } else {
            self.print(text);
        }
    }

    fn print(&self, text: &str) {
        if let Err(error) = print(text) {
            *self.lost.borrow_mut() = Some(error);
        }
    }

    /// Tells of an answer that could not be written; returns what the exit status then is.
    pub(super) fn check_answer(&self, code: Exit) -> Exit {
        match self.lost.take() {
            None => code,
            Some(error) => {
                tell_lost(error);
                if code == Exit::Done || code == Exit::Pending { Exit::Failed } else { code }
            }
        }
    }

    /// Writes a part of the answer for people; the one document holds it anyway.
    pub(super) fn answer_text(&self, text: &str) {
        if !self.json {
            self.print(text);
        }
    }

    /// Shows a bar while a backup is made, checked or restored, and stops it at Ctrl-C.
    pub(super) fn follow(&self, manager: BackupManager) -> Result<BackupManager, Error> {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&asked);
        signals::watch(move || flag.store(true, Ordering::Relaxed))?;
        let bar = indicatif::ProgressBar::hidden();
        if self.shows_progress() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        let style = indicatif::ProgressStyle::with_template(
            "{msg:9} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Ok(manager.with_listener(move |progress| {
            if asked.load(Ordering::Relaxed) {
                bar.finish_and_clear();
                return ControlFlow::Break(());
            }
            bar.set_message(match progress.phase {
                Phase::Copy => "copying",
                Phase::Verify => "checking",
                Phase::Compress => "packing",
                Phase::Unpack => "unpacking",
            });
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.done_bytes);
            ControlFlow::Continue(())
        }))
    }

    /// Tells an error; `document` is what the answer would have been.
    pub(super) fn error(&self, error: &Error, document: Option<Value>) {
        if self.json {
            let mut document = document.unwrap_or_else(|| json!({}));
            document["error"] = json!({
                "code": error.kind().code(),
                "message": error.to_string(),
                "details": error.details(),
                "hint": error.hint(),
                "state_on_disk": error.state(),
            });
            self.print(&pretty(&document));
        } else {
            talk(&error_text(error));
        }
    }
}

fn error_text(error: &Error) -> String {
    let mut text = format!("{BAD}error{BAD:#}: {error}\n");
    for detail in error.details() {
        text.push_str(&format!("  {detail}\n"));
    }
    if let Some(state) = error.state() {
        text.push_str(&format!("  {DIM}{state}{DIM:#}\n"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n{BOLD}hint{BOLD:#}: {hint}\n"));
    }
    text
}

/// Returns the style of a state's word.
pub(super) fn style_of(state: State) -> Style {
    match state {
        State::Applied => GOOD,
        State::Pending => WAITING,
        State::Modified | State::Missing | State::Failed => BAD,
    }
}

/// Tells what clap says: help is an answer, a wrong call is an error.
pub(super) fn clap_error(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().ansi().to_string()) {
            Ok(()) => Exit::Done.into(),
            Err(error) => {
                tell_lost(error);
                Exit::Failed.into()
            }
        };
    }
    if arguments.iter().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let error = json!({"code": "usage", "message": message, "details": [], "hint": "run with `--help`", "state_on_disk": "nothing was changed"});
        if let Err(error) = print(&pretty(&json!({ "error": error }))) {
            tell_lost(error);
        }
    } else {
        talk(&error.render().ansi().to_string());
    }
    Exit::Usage.into()
}

fn pretty(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("documents have text keys");
    format!("{text}\n")
}

/// A closed pipe is not our trouble: whoever reads has read enough.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn tell_lost(error: std::io::Error) {
    let lost = Error::new(ErrorKind::Io, format!("the answer could not be written: {error}"))
        .in_state("the command itself was carried out; only its answer is lost")
        .with_hint("write it to where there is room; `status` shows what is applied now");
    talk(&error_text(&lost.caused_by(error)));
}

fn talk(text: &str) {
    let mut out = anstream::AutoStream::auto(std::io::stderr().lock());
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Says one line.
pub(super) fn talk_line(line: &str) {
    talk(&format!("{line}\n"));
}

/// Colours the lines of a unified difference.
pub(super) fn diff_text(diff: &str, indent: &str) -> String {
    let mut text = String::new();
    for line in diff.lines() {
        let style = match line.chars().next() {
            Some('+') => GOOD,
            Some('-') => BAD,
            _ => DIM,
        };
        text.push_str(&format!("{indent}{style}{line}{style:#}\n"));
    }
    text
}

/// Lays rows out in columns, two spaces apart; the last column is not padded.
pub(super) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Returns a time as people read it: `2026-01-14 08:30:12`.
pub(super) fn short_time(stored: &str) -> String {
    stored.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
