//! What `upgrade` and `downgrade` share: telling how it goes, and how it went.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::exit::{Exit, code_of};
use super::settings::Settings;
use super::signals;
use super::ui::{BAD, DIM, GOOD, Ui, diff_text};
use crate::error::Error;
use crate::event::Progress;
use crate::migrator::{Migrator, Options, RunFailure};
use crate::plan::Direction;
use crate::report::{MigrationResult, Rehearsal, Report, Validation};

/// Makes a migrator that talks while it works and stops at Ctrl-C.
pub(super) fn migrator(settings: &Settings, ui: &Ui, options: Options) -> Result<Migrator, Error> {
    let (json, verbose) = (!ui.shows_talk(), settings.verbose);
    let progress = ui.shows_progress();
    let bar = indicatif::ProgressBar::hidden();
    if progress {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    let on_copies = AtomicBool::new(false);
    let options = options.observer(move |event| {
        match event {
            Progress::RehearsalStarted => on_copies.store(true, Ordering::Relaxed),
            Progress::RehearsalFinished => on_copies.store(false, Ordering::Relaxed),
            // What happens on copies is the answer, or a check before the run: no news.
            Progress::MigrationFinished { .. } if on_copies.load(Ordering::Relaxed) => return,
            _ => {}
        }
        if !json {
            tell(event, verbose, &bar);
        }
    });
    let migrator = settings.migrator().with_options(options);
    let canceller = migrator.canceller();
    signals::watch(move || canceller.cancel())?;
    Ok(migrator)
}

fn tell(event: &Progress<'_>, verbose: u8, bar: &indicatif::ProgressBar) {
    let line = match event {
        Progress::Locked { data_dir } if verbose > 0 => format!("locked    {}", data_dir.display()),
        Progress::RehearsalStarted => "rehearsal on copies of the databases".to_owned(),
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
    line_of(result, None)
}

fn line_of(result: &MigrationResult, word: Option<&str>) -> String {
    let (style, done) = match (result.success, result.direction) {
        (false, _) => (BAD, "failed"),
        (true, Direction::Upgrade) => (GOOD, "applied"),
        (true, Direction::Downgrade) => (GOOD, "reverted"),
    };
    let word = word.unwrap_or(done);
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
            ui.answer_text(&rehearsals(settings, &report.results, None));
            ui.error(&error, Some(document));
            code_of(error.kind())
        }
    }
}

fn text(settings: &Settings, report: &Report) -> String {
    let count =
        |direction| report.results.iter().filter(|result| result.direction == direction).count();
    let (applied, reverted) = (count(Direction::Upgrade), count(Direction::Downgrade));
    let mut text = rehearsals(settings, &report.results, None);
    if settings.verbose > 0 {
        text.push_str(&rehearsals(settings, &report.rehearsed, Some("rehearsed")));
    }
    let done = match (applied, reverted) {
        (0, 0) => "nothing to do".to_owned(),
        (applied, 0) => format!("{applied} applied"),
        (0, reverted) => format!("{reverted} reverted"),
        (applied, reverted) => format!("{applied} applied, {reverted} reverted"),
    };
    let kept = match (report.dry_run, report.rehearsed.is_empty()) {
        (true, _) if report.results.is_empty() => String::new(),
        (true, _) => format!(
            " on copies; nothing was kept\na run needs {} of free space, and a backup",
            indicatif::HumanBytes(report.needed_bytes())
        ),
        (false, true) => String::new(),
        (false, false) => ", as rehearsed".to_owned(),
    };
    let _ = writeln!(text, "{done}{kept}");
    text
}

/// Tells what a rehearsal saw of each migration; `word` is said instead of what it did on the copies.
fn rehearsals(settings: &Settings, results: &[MigrationResult], word: Option<&str>) -> String {
    let mut text = String::new();
    for result in results {
        if let Some(rehearsal) = &result.rehearsal {
            let _ = writeln!(text, "{}", line_of(result, word));
            rehearsed(&mut text, rehearsal, settings.verbose);
        }
    }
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
    let said = match rehearsal.validation {
        Validation::Passed => format!("{GOOD}passed{GOOD:#}"),
        Validation::Failed => format!("{BAD}failed{BAD:#}"),
        Validation::NotReached => "not reached".to_owned(),
        Validation::Absent => "none".to_owned(),
    };
    let _ = writeln!(text, "  validation: {said}");
    for space in &rehearsal.space {
        let bytes = indicatif::HumanBytes;
        let _ = writeln!(
            text,
            "  space of {}: {} -> {}, with a journal of {}",
            space.database,
            bytes(space.before_bytes),
            bytes(space.after_bytes),
            bytes(space.journal_bytes)
        );
    }
}
