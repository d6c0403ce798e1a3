//! What `upgrade` and `downgrade` share: telling how it goes, and how it went.

use std::fmt::Write;

use serde_json::Value;

use super::exit::{Exit, code_of};
use super::settings::Settings;
use super::ui::{BAD, DIM, GOOD, Ui, diff_text};
use crate::error::{Error, ErrorKind};
use crate::event::Progress;
use crate::migrator::{Migrator, Options, RunFailure};
use crate::plan::Direction;
use crate::report::{MigrationResult, Rehearsal, Report};

/// Makes a migrator that talks while it works and stops at Ctrl-C.
pub(super) fn migrator(settings: &Settings, ui: &Ui, options: Options) -> Result<Migrator, Error> {
    let (json, verbose) = (!ui.shows_talk(), settings.verbose);
    let progress = ui.shows_progress();
    let bar = indicatif::ProgressBar::hidden();
    if progress {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    let options = options.observer(move |event| {
        if !json {
            tell(event, verbose, &bar);
        }
    });
    let migrator = settings.migrator().with_options(options);
    stop_at_signal(&migrator)?;
    Ok(migrator)
}

/// The first Ctrl-C rolls back; the second ends the program where it stands, which loses nothing either.
fn stop_at_signal(migrator: &Migrator) -> Result<(), Error> {
    let canceller = migrator.canceller();
    let asked = std::sync::atomic::AtomicBool::new(false);
    let handler = move || {
        if asked.swap(true, std::sync::atomic::Ordering::Relaxed) {
            #[expect(
                clippy::exit,
                reason = "the user insists; a crash is what the engine is made for"
            )]
            std::process::exit(130);
        }
        canceller.cancel();
    };
    match ctrlc::set_handler(handler) {
        // Another part of this process has its own handler.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Io, "cannot watch for Ctrl-C").caused_by(error)),
    }
}

fn tell(event: &Progress<'_>, verbose: u8, bar: &indicatif::ProgressBar) {
    let line = match event {
        Progress::Locked { data_dir } if verbose > 0 => format!("locked    {}", data_dir.display()),
        Progress::BackupBytes { done, total } | Progress::Step { done, total } => {
            bar.set_length(*total);
            bar.set_position(*done);
            return;
        }
        Progress::BackupFinished { id, bytes } => {
            bar.finish_and_clear();
            format!("backup    {id}  {}, verified", indicatif::HumanBytes(*bytes))
        }
        Progress::BackupFailed { error } => format!("{BAD}no backup{BAD:#}: {error}"),
        Progress::MigrationFinished { result } => result_line(result),
        Progress::Note { text } => format!("note      {text}"),
        _ => return,
    };
    bar.suspend(|| super::ui::talk_line(&line));
}

fn result_line(result: &MigrationResult) -> String {
    let (style, word) = match (result.success, result.direction) {
        (false, _) => (BAD, "failed"),
        (true, Direction::Upgrade) => (GOOD, "applied"),
        (true, Direction::Downgrade) => (GOOD, "reverted"),
    };
    format!(
        "{style}{word:9}{style:#} {}  {}  ({:.1} ms)",
        result.version, result.name, result.execution_time_ms
    )
}

/// Tells how a run ended, and returns its exit status.
pub(super) fn finish(settings: &Settings, ui: &Ui, outcome: Result<Report, RunFailure>) -> Exit {
    match outcome {
        Ok(report) => {
            ui.answer(&text(settings, &report), &report);
            Exit::Done
        }
        Err(RunFailure { error, report }) => {
            let document = serde_json::to_value(&report).unwrap_or(Value::Null);
            ui.error(&error, Some(document));
            code_of(error.kind())
        }
    }
}

fn text(settings: &Settings, report: &Report) -> String {
    let count =
        |direction| report.results.iter().filter(|result| result.direction == direction).count();
    let (applied, reverted) = (count(Direction::Upgrade), count(Direction::Downgrade));
    let mut text = String::new();
    for result in &report.results {
        if let Some(rehearsal) = &result.rehearsal {
            let _ = writeln!(text, "{}", result_line(result));
            rehearsed(&mut text, rehearsal, settings.verbose);
        }
    }
    let done = match (applied, reverted) {
        (0, 0) => "nothing to do".to_owned(),
        (applied, 0) => format!("{applied} applied"),
        (0, reverted) => format!("{reverted} reverted"),
        (applied, reverted) => format!("{applied} applied, {reverted} reverted"),
    };
    let kept = if report.dry_run { " on copies; nothing was kept" } else { "" };
    let _ = writeln!(text, "{done}{kept}");
    text
}

fn rehearsed(text: &mut String, rehearsal: &Rehearsal, verbose: u8) {
    for statement in &rehearsal.statements {
        let sql = if verbose > 0 {
            statement.sql.clone()
        } else {
            crate::sqlite::guard::one_line(&statement.sql)
        };
        let rows = if statement.rows > 0 {
            format!("  {DIM}{} row(s){DIM:#}", statement.rows)
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {DIM}{}:{DIM:#} {sql}{rows}", statement.database);
    }
    for change in &rehearsal.row_changes {
        let count =
            |rows: Option<i64>| rows.map_or_else(|| "none".to_owned(), |rows| rows.to_string());
        let _ = writeln!(
            text,
            "  rows of {}.{}: {} -> {}",
            change.database,
            change.table,
            count(change.before),
            count(change.after)
        );
    }
    for change in &rehearsal.schema_changes {
        let _ = writeln!(text, "  schema of {}:", change.database);
        text.push_str(&diff_text(&change.diff, "    "));
    }
}
