//! What the compiler refuses: one file in `ui/` for each mistake, with the compiler's words beside it;
//! and in `ui/pass/` what it takes.

use std::path::Path;

#[test]
fn what_the_compiler_refuses_and_what_it_takes() {
    copy_fixtures();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    cases.pass("ui/pass/*.rs");
}

/// SQL files and lock files are named from the crate's root; the cases belong to a crate that trybuild makes.
fn copy_fixtures() {
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    let to = target.join("tests/trybuild").join(env!("CARGO_PKG_NAME")).join("fixtures");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/fixtures"), &to);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is made");
    for entry in std::fs::read_dir(from).expect("the fixtures are listed") {
        let entry = entry.expect("a fixture is read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a fixture is copied");
        }
    }
}
