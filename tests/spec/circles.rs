//! No two files need each other, directly or around a corner: each can be read with what stands below it.
//!
//! A file needs what it names by `use`, or in place, by `crate::` or `super::`. The face of a folder (`mod.rs`)
//! and of a crate hands names on, and does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::structure::{root, sources};

type Module = Vec<String>;

/// Returns the modules of a crate, by their paths in it, with their text up to their tests.
fn modules(src: &Path) -> BTreeMap<Module, (PathBuf, String)> {
    let mut files = Vec::new();
    sources(src, &mut files);
    let of_file = |path: PathBuf| {
        let inner = path.strip_prefix(src).expect("is below").with_extension("");
        let mut module: Module =
            inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        (module, (path, code))
    };
    files
        .into_iter()
        .map(of_file)
        .filter(|(module, _)| !module.iter().any(|part| part == "tests"))
        .collect()
}

/// Reads a path with its branches, `a::{b, c::d}`, into paths; returns what stands behind it.
fn paths<'t>(mut text: &'t str, before: &Module, found: &mut Vec<Module>) -> &'t str {
    let mut path = before.clone();
    loop {
        if let Some(inner) = text.strip_prefix('{') {
            text = inner.trim_start();
            while !text.is_empty() && !text.starts_with('}') {
                text = paths(text, &path, found).trim_start_matches([',', ' ', '\n']);
            }
            return text.strip_prefix('}').unwrap_or(text);
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        match word {
            "super" => drop(path.pop()),
            "self" => {}
            _ => path.push(word.to_owned()),
        }
        let Some(inner) = rest.strip_prefix("::") else {
            found.push(path);
            // `a as b`, `*` and the like are passed over.
            let end = rest.find([',', '}', ';', '(', ')', '\n']).unwrap_or(rest.len());
            return &rest[end..];
        };
        text = inner;
    }
}

/// Returns the modules that a file names, itself and the faces of folders left out.
fn needed(
    module: &Module,
    text: &str,
    all: &BTreeMap<Module, (PathBuf, String)>,
) -> BTreeSet<Module> {
    let mut found = Vec::new();
    for (start, before) in [("crate::", Module::new()), ("super::", module.clone())] {
        for (at, _) in text.match_indices(start) {
            let is_word =
                text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let is_comment = text[..at]
                .rsplit('\n')
                .next()
                .is_some_and(|line| line.trim_start().starts_with("//"));
            if !is_word && !is_comment {
                let rest = if start == "crate::" { &text[at + start.len()..] } else { &text[at..] };
                paths(rest, &before, &mut found);
            }
        }
    }
    let file_of = |path: Module| {
        let mut prefixes = (1..=path.len()).rev().map(|length| path[..length].to_vec());
        prefixes.find(|prefix| all.contains_key(prefix))
    };
    let is_face = |one: &Module| all[one].0.ends_with("mod.rs") || all[one].0.ends_with("lib.rs");
    found.into_iter().filter_map(file_of).filter(|one| one != module && !is_face(one)).collect()
}

/// Returns a way from a module back to itself, if there is one.
fn way_back(from: &Module, needs: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![from.clone()]];
    while let Some(way) = ways.pop() {
        for next in &needs[way.last().expect("begins somewhere")] {
            let longer = || way.iter().chain([next]).cloned().collect();
            if next == from {
                return Some(longer());
            }
            if seen.insert(next.clone()) {
                ways.push(longer());
            }
        }
    }
    None
}

#[test]
fn no_two_files_need_each_other() {
    for src in ["agentos-migrate/src", "agentos-migrate-macros/src"] {
        let all = modules(&root().join(src));
        let needs: BTreeMap<Module, BTreeSet<Module>> = all
            .iter()
            .map(|(module, (_, text))| (module.clone(), needed(module, text, &all)))
            .collect();
        let count: usize = needs.values().map(BTreeSet::len).sum();
        assert!(count > all.len(), "{src}: only {count} needs were read");
        for module in all.keys() {
            if let Some(way) = way_back(module, &needs) {
                let way: Vec<String> = way.iter().map(|module| module.join("::")).collect();
                panic!("{src}: a circle: {}", way.join(" needs "));
            }
        }
    }
}
