//! `backup`: makes a backup.

use std::fmt::Write;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::backup::{BackupOptions, Blobs, Compression};
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Backup) -> Result<Exit, Error> {
    let options = BackupOptions {
        blobs: if arguments.no_blobs { Blobs::Exclude } else { Blobs::Include },
        compression: if arguments.no_compress { Compression::None } else { Compression::Zstd },
        databases: arguments.database.clone(),
        metadata: arguments.metadata.iter().cloned().collect(),
    };
    let manager = settings.backups(arguments.directory.as_deref());
    let manager = ui.follow(manager.with_wait(arguments.waiting.time))?;
    let manifest = manager.create_backup(&options)?;
    let size = indicatif::HumanBytes(manifest.total_size_bytes);
    let mut text = format!(
        "backup    {}\n          {size} in {} files, verified\n          databases: {}\n",
        manifest.backup_id,
        manifest.checksums.len(),
        manifest.databases.join(", ")
    );
    if !manifest.missing_databases.is_empty() {
        let missing = manifest.missing_databases.join(", ");
        let _ = writeln!(text, "          not in the data directory, though in the set: {missing}");
    }
    ui.answer(&text, &manifest);
    Ok(Exit::Done)
}
