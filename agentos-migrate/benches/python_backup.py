"""What Agent OS's Python tool does for a backup: SQLite's online backup of each
database, a copy of every other file, SHA-256 of each copy, one .tar.gz."""

import hashlib
import pathlib
import shutil
import sqlite3
import sys
import tarfile
import tempfile

data, target = pathlib.Path(sys.argv[1]), sys.argv[2]
with tempfile.TemporaryDirectory(dir=pathlib.Path(target).parent) as staging:
    for path in sorted(data.rglob("*")):
        if not path.is_file() or "backups" in path.parts:
            continue
        copy = pathlib.Path(staging) / path.relative_to(data)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".db":
            with sqlite3.connect(path) as source, sqlite3.connect(copy) as into:
                source.backup(into)
        else:
            shutil.copy2(path, copy)
        digest = hashlib.sha256()
        with open(copy, "rb") as file:
            while chunk := file.read(65536):
                digest.update(chunk)
    with tarfile.open(target, "w:gz") as archive:
        archive.add(staging, "backup")
