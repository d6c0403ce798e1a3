//! Plans as tables, and against a naive model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::history::History;
use crate::history::tests::row_of;
use crate::migration::Migration;

/// Five migrations: 0003 needs 0001, 0005 needs 0002 and 0003; 0004 is irreversible.
fn migrations() -> Vec<Migration> {
    let plain = |version| Migration::new(version, &["a"], |_| Ok(())).downgrade(|_| Ok(()));
    vec![
        plain("0001"),
        plain("0002"),
        plain("0003").depends_on(&["0001"]),
        plain("0004").irreversible("it merges two columns"),
        plain("0005").depends_on(&["0002", "0003"]),
    ]
}

fn version(text: &str) -> Version {
    text.parse().expect("a version")
}

fn status_of(migrations: &[Migration], rows: &[(&str, &str)]) -> Status {
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let rows = rows.iter().map(|(version, what)| {
        let info = infos.iter().find(|info| info.version.as_str() == *version).unwrap_or(&infos[0]);
        let mut row = row_of(info);
        row.version = (*version).to_owned();
        row.success = !matches!(*what, "failed" | "half");
        if *what == "half" {
            // As an older tool records it, which does not roll back.
            row.checksum = "0123456789abcdef".to_owned();
        }
        if *what == "modified" {
            row.checksum = "0".repeat(64);
        }
        row
    });
    Status::of(&infos, &History::new(rows.collect()))
}

fn outcome(plan: Result<Plan, Error>) -> Result<String, ErrorKind> {
    match plan {
        Ok(plan) => {
            Ok(plan.steps.iter().map(|step| step.version.to_string()).collect::<Vec<_>>().join(" "))
        }
        Err(error) => {
            assert_eq!(error.state(), Some("nothing was changed"), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains('`')), "{error}");
            Err(error.kind())
        }
    }
}

#[track_caller]
fn up(rows: &[(&str, &str)], target: &str, force: Force, expected: Result<&str, ErrorKind>) {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let target = if target == "latest" { Target::Latest } else { Target::Version(version(target)) };
    let plan = Plan::upgrade(&infos, &status_of(&migrations, rows), &target, force);
    assert_eq!(outcome(plan), expected.map(str::to_owned));
}

#[track_caller]
fn down(rows: &[(&str, &str)], target: &str, force: Force, expected: Result<&str, ErrorKind>) {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let plan = Plan::downgrade(&infos, &status_of(&migrations, rows), &version(target), force);
    assert_eq!(outcome(plan), expected.map(str::to_owned));
}

const ALL: &[(&str, &str)] =
    &[("0001", "ok"), ("0002", "ok"), ("0003", "ok"), ("0004", "ok"), ("0005", "ok")];

#[test]
fn an_upgrade_runs_what_is_not_applied_in_the_order_of_numbers() {
    up(&[], "latest", Force::No, Ok("0001 0002 0003 0004 0005"));
    up(&[("0001", "ok")], "latest", Force::No, Ok("0002 0003 0004 0005"));
    up(ALL, "latest", Force::No, Ok(""));
}

#[test]
fn applied_is_a_set_so_an_older_pending_one_runs() {
    up(&[("0001", "ok"), ("0003", "ok"), ("0004", "ok")], "latest", Force::No, Ok("0002 0005"));
}

#[test]
fn a_target_takes_nothing_above_it() {
    up(&[], "0003", Force::No, Ok("0001 0002 0003"));
    up(&[("0001", "ok"), ("0002", "ok")], "0002", Force::No, Ok(""));
    up(&[], "0007", Force::No, Err(ErrorKind::UnknownVersion));
}

// Proves G7.
#[test]
fn a_failed_one_runs_again() {
    up(&[("0001", "failed")], "0002", Force::No, Ok("0001 0002"));
}

// Proves G7.
#[test]
fn a_modified_one_stops_the_run_and_force_runs_it_again() {
    up(&[("0001", "modified")], "0002", Force::No, Err(ErrorKind::Modified));
    up(&[("0001", "modified")], "0002", Force::Yes, Ok("0001 0002"));
}

#[test]
fn every_modified_one_is_named_with_both_checksums() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let status = status_of(&migrations, &[("0001", "modified"), ("0002", "modified")]);
    let error = Plan::upgrade(&infos, &status, &Target::Latest, Force::No).expect_err("refused");
    assert_eq!(error.to_string(), "2 migrations were modified after they were applied");
    let details = error.details();
    assert_eq!(details.len(), 4, "{details:?}");
    assert!(details[0].starts_with(&format!("stored    {}", "0".repeat(64))), "{details:?}");
    assert!(details[1].starts_with(&format!("compiled  {}", infos[0].checksum)), "{details:?}");
}

#[test]
fn a_migration_without_a_downgrade_is_named_with_its_place() {
    let migrations = vec![Migration::new("0001", &["a"], |_| Ok(()))];
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let status = status_of(&migrations, &[("0001", "ok")]);
    let error =
        Plan::downgrade(&infos, &status, &version("0000"), Force::No).expect_err("no way back");
    assert_eq!(error.kind(), ErrorKind::Irreversible);
    assert!(error.details()[0].starts_with("0001 `migration_0001` declares no downgrade ("));
    assert!(error.details()[0].contains("tests.rs:"), "{:?}", error.details());
}

#[test]
fn a_step_is_written_with_its_version_as_text() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let plan = Plan::upgrade(&infos, &status_of(&migrations, &[]), &Target::Latest, Force::No);
    let json = serde_json::to_value(plan.expect("a plan")).expect("JSON");
    assert_eq!(
        (&json["direction"], &json["steps"][0]["version"]),
        (&"upgrade".into(), &"0001".into())
    );
    assert_eq!(json["steps"][3]["irreversible"], "it merges two columns");
}

// Proves G7.
#[test]
fn newer_data_stops_the_run_whatever_else_is_wrong() {
    up(&[("0001", "modified"), ("0009", "ok")], "latest", Force::No, Err(ErrorKind::Newer));
    up(&[("0009", "ok")], "latest", Force::Yes, Err(ErrorKind::Newer));
    down(&[("0009", "ok")], "0001", Force::Yes, Err(ErrorKind::Newer));
}

#[test]
fn an_applied_one_without_its_dependency_stops_the_run() {
    up(&[("0005", "ok")], "latest", Force::No, Err(ErrorKind::Dependency));
}

#[test]
fn a_dependency_that_failed_runs_again_below_applied_ones_of_other_databases_only() {
    up(&[("0001", "failed"), ("0003", "ok")], "0002", Force::No, Err(ErrorKind::Dependency));
    let apart = [
        Migration::new("0001", &["a"], |_| Ok(())),
        Migration::new("0003", &["b"], |_| Ok(())).depends_on(&["0001"]),
    ];
    let infos: Vec<_> = apart.iter().map(Migration::info).collect();
    let status = status_of(&apart, &[("0001", "failed"), ("0003", "ok")]);
    let plan = Plan::upgrade(&infos, &status, &Target::Latest, Force::No);
    assert_eq!(outcome(plan).as_deref(), Ok("0001"));
    up(&[("0002", "failed"), ("0003", "ok")], "0001", Force::No, Err(ErrorKind::Dependency));
    up(
        &[("0001", "ok"), ("0002", "ok"), ("0003", "failed"), ("0004", "ok"), ("0005", "ok")],
        "0002",
        Force::No,
        Err(ErrorKind::Dependency),
    );
}

#[test]
fn a_downgrade_reverts_what_is_above_newest_first() {
    down(&[("0001", "ok"), ("0002", "ok"), ("0003", "ok")], "0001", Force::No, Ok("0003 0002"));
    down(&[("0001", "ok"), ("0003", "ok")], "0000", Force::No, Ok("0003 0001"));
    down(ALL, "0005", Force::No, Ok(""));
}

#[test]
fn a_downgrade_refuses_before_it_touches_anything() {
    down(ALL, "0001", Force::No, Err(ErrorKind::Irreversible));
    down(ALL, "0004", Force::No, Ok("0005"));
    down(ALL, "0007", Force::No, Err(ErrorKind::UnknownVersion));
    down(&[("0001", "ok"), ("0002", "half")], "0001", Force::No, Err(ErrorKind::Incomplete));
    down(&[("0001", "ok"), ("0002", "modified")], "0001", Force::No, Err(ErrorKind::Modified));
}

#[test]
fn a_downgrade_passes_one_that_failed_and_was_rolled_back() {
    down(&[("0001", "ok"), ("0002", "ok"), ("0003", "failed")], "0001", Force::No, Ok("0002"));
}

#[test]
fn every_reason_is_told_at_once() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let status = status_of(
        &migrations,
        &[("0001", "modified"), ("0002", "modified"), ("0008", "ok"), ("0009", "ok")],
    );
    let error = Plan::upgrade(&infos, &status, &Target::Latest, Force::No).expect_err("refused");
    let count = |word: &str| error.details().iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(
        (count("missing"), count("stored"), count("compiled")),
        (2, 2, 2),
        "{:?}",
        error.details()
    );
}

#[test]
fn a_plan_names_the_backup_that_is_made_before_it() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let none = status_of(&migrations, &[]);
    let plan = Plan::upgrade(&infos, &none, &Target::Latest, Force::No).expect("a plan");
    assert_eq!(plan.reason(), "before upgrade to 0005");
    let all = status_of(&migrations, ALL);
    let plan = Plan::downgrade(&infos, &all, &version("0004"), Force::No).expect("a plan");
    assert_eq!(plan.reason(), "before reverting 0005");
}

#[test]
fn only_a_modified_one_is_forced() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let status = status_of(&migrations, &[("0001", "modified")]);
    let plan = Plan::upgrade(&infos, &status, &Target::Latest, Force::Yes).expect("a plan");
    let forced: Vec<bool> = plan.steps.iter().map(Step::is_forced).collect();
    assert_eq!(forced, [true, false, false, false, false]);
}

#[test]
fn an_unknown_version_is_answered_with_the_likeliest_and_the_newest_ones() {
    let set = |count: usize| -> Vec<Migration> {
        let one = |number| Migration::new(&format!("{number:04}"), &["a"], |_| Ok(()));
        (1..=count).map(one).collect()
    };
    let answer = |count: usize, asked: &str| {
        let migrations = set(count);
        let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
        let error = known(&infos, &version(asked)).expect_err("unknown");
        (error.details()[0].clone(), error.hint().unwrap_or_default().to_owned())
    };
    let (there, hint) = answer(12, "0080");
    assert!(there.starts_with("there are 0001, 0002") && there.ends_with("0012"), "{there}");
    assert_eq!(answer(13, "0080").0.find('…'), Some("there are ".len()));
    assert!(hint.contains("`--target 00"), "{hint}");
    assert!(answer(12, "00070").1.contains("`--target 0007`"));
}

#[test]
fn a_modified_one_is_shown_with_its_own_compiled_checksum() {
    let migrations = migrations();
    let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
    let status = status_of(&migrations, &[("0001", "ok"), ("0002", "modified")]);
    let error = Plan::upgrade(&infos, &status, &Target::Latest, Force::No).expect_err("refused");
    let compiled = format!("compiled  {}", infos[1].checksum);
    assert!(error.details().iter().any(|line| line.starts_with(&compiled)), "{error:?}");
}

proptest! {
    /// Random graphs, applied subsets and targets against what a person would do by hand.
    #[test]
    fn a_plan_is_what_the_naive_model_says(
        edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..12),
        applied in proptest::collection::btree_set(0_usize..8, 0..8),
        target in 0_usize..8,
    ) {
        let name = |index: usize| format!("{:04}", index + 1);
        let needs = |index: usize| -> BTreeSet<usize> {
            edges.iter().filter(|(a, b)| *a == index && *b < index).map(|(_, b)| *b).collect()
        };
        let migrations: Vec<Migration> = (0..8).map(|index| {
            let names: Vec<String> = needs(index).into_iter().map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Migration::new(&name(index), &["a"], |_| Ok(())).downgrade(|_| Ok(())).depends_on(&names)
        }).collect();
        let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
        let names: Vec<String> = applied.iter().map(|index| name(*index)).collect();
        let rows: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "ok")).collect();
        let status = status_of(&migrations, &rows);
        let consistent = applied.iter().all(|index| needs(*index).is_subset(&applied));
        let plan = Plan::upgrade(&infos, &status, &Target::Version(version(&name(target))), Force::No);
        match plan {
            Err(error) => {
                prop_assert!(!consistent);
                prop_assert_eq!(error.kind(), ErrorKind::Dependency);
            }
            Ok(plan) => {
                prop_assert!(consistent);
                let mut have = applied.clone();
                for step in &plan.steps {
                    let index = usize::try_from(step.version.number()).expect("small") - 1;
                    prop_assert!(index <= target && needs(index).is_subset(&have) && have.insert(index));
                }
                let below: BTreeSet<usize> = (0..=target).collect();
                prop_assert!(below.is_subset(&have));

                let rows: Vec<String> = have.iter().map(|index| name(*index)).collect();
                let rows: Vec<(&str, &str)> = rows.iter().map(|name| (name.as_str(), "ok")).collect();
                let back = Plan::downgrade(&infos, &status_of(&migrations, &rows), &version("0000"), Force::No).expect("reverts");
                let mut left = have.clone();
                for step in &back.steps {
                    let index = usize::try_from(step.version.number()).expect("small") - 1;
                    prop_assert!(left.remove(&index));
                    prop_assert!(left.iter().all(|other| !needs(*other).contains(&index)), "a dependent is still there");
                }
                prop_assert!(left.is_empty());
            }
        }
    }
}
