#!/bin/sh
# What the macros cost: `cargo check` of N migrations, beside the same
# functions registered by hand; and again after one of them was edited.
# First with all of them in the lock file, then with none: what is released
# is not checked again.
#
# usage: agentos-migrate-macros/benches/compile_cost.sh [--plain] [--limit R] [N …]
#        (default: 10 100 1000; needs sh, cargo, awk)
#
# Prints user + system seconds, the best of five, and their ratio. With
# `--limit R` it fails if a ratio is above R; with `--plain` the macros are
# not optimised, as in a workspace without the profile lines of the README.
set -eu

limit="" profile=yes
while :; do
    case ${1:-} in
        --limit) limit=$2; shift 2 ;;
        --plain) profile=no; shift ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- 10 100 1000
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/compile_cost
[ $profile = yes ] || work=${work}_plain
mkdir -p "$work"
work=$(cd "$work" && pwd)
export CARGO_TARGET_DIR="$work/target"

manifest() {
    rm -rf "${work:?}/$1"
    mkdir -p "$work/$1/src/versions"
    cat > "$work/$1/Cargo.toml" <<END
[package]
name = "$1"
version = "0.1.0"
edition = "2024"

[dependencies]
agentos-migrate = { path = "$root/agentos-migrate" }

[workspace]
END
    [ $profile = no ] || cat >> "$work/$1/Cargo.toml" <<END

[profile.dev.package.sha2]
opt-level = 3
[profile.dev.package.agentos-migrate-macros]
opt-level = 3
[profile.dev.package.proc-macro2]
opt-level = 3
END
    cp "$root/Cargo.lock" "$work/$1/Cargo.lock"
}

body() {
    cat <<END
    if !ctx.column_exists("notes", "note", "column_$1")? {
        ctx.execute("notes", "ALTER TABLE note ADD COLUMN column_$1 TEXT NOT NULL DEFAULT ''", [])?;
    }
    ctx.execute("notes", "UPDATE note SET column_$1 = title WHERE id = ?1", [$1])?;
    Ok(())
END
}

by_macro() { # number, version, dependency
    cat <<END
use agentos_migrate::{MigrationContext, Result, migration};

/// Adds column $1.
#[migration(version = "$2", databases = ["notes"]$3, downgrade = drop_column)]
pub fn add_column_$1(ctx: &mut MigrationContext) -> Result<()> {
$(body "$1")
}

fn drop_column(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("notes", "ALTER TABLE note DROP COLUMN column_$1", [])?;
    Ok(())
}
END
}

by_hand() { # number, version, dependency
    cat <<END
use agentos_migrate::private::{Registration, Step, inventory};
use agentos_migrate::{MigrationContext, Result};

/// Adds column $1.
pub fn add_column_$1(ctx: &mut MigrationContext) -> Result<()> {
$(body "$1")
}

fn drop_column(ctx: &mut MigrationContext) -> Result<()> {
    ctx.execute("notes", "ALTER TABLE note DROP COLUMN column_$1", [])?;
    Ok(())
}

inventory::submit! {
    Registration {
        set: &crate::DECLARATION,
        version: "$2",
        number: $1,
        name: "add_column_$1",
        description: "Adds column $1.",
        databases: &["notes"],
        depends_on: &[$3],
        schema_version: None,
        irreversible: None,
        checksum: [0; 32],
        legacy_checksums: &[],
        deletes: &[],
        allow: &[],
        file: file!(),
        line: line!(),
        upgrade: Step::Atomic(add_column_$1),
        downgrade: Some(Step::Atomic(drop_column)),
        validate: None,
    }
}
END
}

write_crates() { # count
    manifest with_macros
    manifest by_hand
    cat > "$work/with_macros/src/lib.rs" <<END
agentos_migrate::migrations! { databases: [notes], dir: "src/versions", lock: "migrations.lock" }
END
    cat > "$work/by_hand/src/lib.rs" <<END
pub static DECLARATION: agentos_migrate::private::SetDeclaration =
    agentos_migrate::private::SetDeclaration {
        crate_name: "by_hand",
        databases: &["notes"],
        backup: &[],
        schema_version_table: "schema_version",
        expected: &[],
        lock: "",
        lock_path: None,
        dir: None,
        manifest_dir: "",
        baseline: &[],
    };
END
    i=1
    while [ "$i" -le "$1" ]; do
        version=$(printf '%04d' "$i")
        macro_before="" hand_before=""
        if [ "$i" -gt 1 ]; then
            before=$(printf '%04d' $((i - 1)))
            macro_before=", depends_on = [\"$before\"]"
            hand_before="agentos_migrate::Version::from_checked($((i - 1)), \"$before\")"
        fi
        by_macro "$i" "$version" "$macro_before" > "$work/with_macros/src/versions/${version}_add.rs"
        by_hand "$i" "$version" "$hand_before" > "$work/by_hand/src/versions/${version}_add.rs"
        echo "#[path = \"versions/${version}_add.rs\"] pub mod v${version}_add;" >> "$work/by_hand/src/lib.rs"
        i=$((i + 1))
    done
}

cargo_check() { # crate
    cargo check --quiet --manifest-path "$work/$1/Cargo.toml"
}

# Runs a command and prints its user + system seconds: the second line of `times`.
seconds() {
    ("$@" > /dev/null 2> "$work/errors" && times) > "$work/times" || { cat "$work/errors" >&2; exit 1; }
    awk 'NR == 2 { gsub("s", ""); split($1, u, "m"); split($2, v, "m")
            printf "%.2f\n", u[1] * 60 + u[2] + v[1] * 60 + v[2] }' "$work/times"
}

least() { echo "$1 $2" | awk '{ print ($1 < $2 ? $1 : $2) }'; }

# Measures both crates in turn, each time after an edit of a file; prints the best of five, and the ratio.
failed=0
compare() { # text, file to edit
    macros="" hand=""
    for _ in 1 2 3 4 5; do
        echo "// edited" >> "$work/with_macros/$2"
        took=$(seconds cargo_check with_macros)
        macros=$(least "${macros:-$took}" "$took")
        echo "// edited" >> "$work/by_hand/$2"
        took=$(seconds cargo_check by_hand)
        hand=$(least "${hand:-$took}" "$took")
    done
    echo "$hand $macros" | awk -v text="$1" '{
        printf "  %-22s  by hand %5.2f s   with macros %5.2f s   ratio %.2f\n", text, $1, $2, $2 / $1 }'
    if [ -n "$limit" ] && echo "$macros $hand $limit" | awk '{ exit !($1 / $2 > $3) }'; then failed=1; fi
}

check_and_touch() { # text, file of one migration
    export CARGO_INCREMENTAL=0
    compare "check, $1" src/lib.rs
    CARGO_INCREMENTAL=1
    cargo_check with_macros
    cargo_check by_hand
    compare "touch one, $1" "$2"
    unset CARGO_INCREMENTAL
}

measure() { # count
    write_crates "$1"
    AGENTOS_MIGRATE_LOCK=update cargo_check with_macros
    lines=$(grep -vc '^#' "$work/with_macros/migrations.lock")
    [ "$lines" -eq "$1" ] || { echo "the lock file has $lines lines, not $1" >&2; exit 1; }
    echo "$1 migrations; user + system seconds"
    one=src/versions/$(printf '%04d' $(($1 / 2 + 1)))_add.rs
    check_and_touch released "$one"
    sed -i.bak '/^[0-9]/d' "$work/with_macros/migrations.lock"
    check_and_touch unreleased "$one"
}

for count in "$@"; do measure "$count"; done
exit "$failed"
