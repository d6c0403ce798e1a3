//! The rules that a migration has to keep, each with words for who broke it.

use proc_macro2::{Ident, Span, TokenStream};
use syn::LitStr;

use crate::attr::{self, Attribute};
use crate::meaning::Source;
use crate::signature::{self, Role};
use crate::source::SourceFile;
use crate::trees::{self, Item};
use crate::{ast, calls, compiler, lint_codes, lock, recorded, state};

/// A migration that keeps the rules.
pub(crate) struct Checked {
    pub(crate) version: LitStr,
    pub(crate) number: u128,
    pub(crate) databases: Vec<LitStr>,
    pub(crate) depends_on: Vec<(LitStr, u128)>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema_version: Option<LitStr>,
    pub(crate) downgrade: Option<attr::Function>,
    pub(crate) irreversible: Option<LitStr>,
    pub(crate) validate: Option<attr::Function>,
    pub(crate) is_manual: bool,
    pub(crate) legacy_checksums: Vec<LitStr>,
    pub(crate) deletes: Vec<LitStr>,
    pub(crate) allow: Vec<LitStr>,
    pub(crate) function: Ident,
    pub(crate) checksum: [u8; 32],
    pub(crate) is_own: OwnHeads,
}

/// Which functions have just the head that the engine calls.
#[derive(Default)]
pub(crate) struct OwnHeads {
    pub(crate) upgrade: bool,
    pub(crate) downgrade: bool,
    pub(crate) validate: bool,
}

/// A migration that breaks rules, and what it still declares.
pub(crate) struct Refused {
    pub(crate) errors: Vec<syn::Error>,
    /// The version, unless another migration has it: what depends on it is not to blame.
    pub(crate) version: Option<(u128, Span)>,
}

/// Judges a migration; all mistakes are told at once.
pub(crate) fn migration(attribute: TokenStream, item: &TokenStream) -> Result<Checked, Refused> {
    let (attribute, mut errors) = attr::parse(attribute);
    let text = item.to_string();
    let item = Item::new(item, &text);
    let function = match ast::parse(&item.trees) {
        Ok(function) => function,
        Err(at) => {
            errors.push(syn::Error::new(item.span(at), ast::FORM));
            return Err(Refused { errors, version: None });
        }
    };
    let name_written = item.ident(function.name_at, function.name);
    let number = attribute.version.as_ref().and_then(|text| version(text, &mut errors));
    required(&attribute, &mut errors);
    exclusive(&attribute, &mut errors);
    let depends_on = dependencies(&attribute, number, &mut errors);
    databases(attribute.databases.as_deref().unwrap_or_default(), function.name, &mut errors);
    let mut is_duplicate = false;
    if let (Some(text), Some(number)) = (&attribute.version, number) {
        file_name(text, number, &mut errors);
        is_duplicate = duplicate(text, number, &state::Seen::new(function.name, text), &mut errors);
    }
    let file = SourceFile::of(name_written.span());
    let place = (function.name, name_written.span().unwrap().line());
    let source = Source::new(&attribute, &item.trees, place, file.as_deref());
    let is_own = signatures(&attribute, &function, &item, file.as_deref(), &mut errors);
    let name = attribute.name.as_ref().map_or_else(|| function.name.to_owned(), LitStr::value);
    let checksum = source.checksum(&attribute, number);
    // What is released was checked when it was released.
    if !is_released(number, &checksum) {
        statements(&attribute, &function, &item, &source, &mut errors);
        if let (Some(text), true, Some(_)) = (&attribute.version, errors.is_empty(), &file) {
            released((text, number), &name, &checksum, &source.covered(), &mut errors);
        }
    }
    let version = number.zip(attribute.version.as_ref().map(LitStr::span));
    match (attribute.version, number) {
        (Some(version), Some(number)) if errors.is_empty() => Ok(Checked {
            version,
            number,
            databases: attribute.databases.unwrap_or_default(),
            depends_on,
            name,
            description: attribute.description.map_or(function.documentation, |text| text.value()),
            schema_version: attribute.schema_version,
            downgrade: attribute.downgrade,
            irreversible: attribute.irreversible,
            validate: attribute.validate,
            is_manual: attribute.transaction.is_some_and(|text| text.value() == "manual"),
            legacy_checksums: attribute.legacy_checksums,
            deletes: attribute.deletes,
            allow: attribute.allow,
            function: name_written,
            checksum,
            is_own,
        }),
        _ => Err(Refused { errors, version: version.filter(|_| !is_duplicate) }),
    }
}

/// Reads a version: 4 to 20 digits.
pub(crate) fn version(text: &LitStr, errors: &mut Vec<syn::Error>) -> Option<u128> {
    let value = text.value();
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (4..=20).contains(&value.len()) {
        return value.parse().ok();
    }
    let help = if digits && !value.is_empty() && value.len() < 4 {
        format!(": write \"{value:0>4}\"")
    } else {
        String::new()
    };
    let problem =
        format!("a version is 4 to 20 digits, such as \"0003\" or \"20260714120000\"{help}");
    errors.push(syn::Error::new(text.span(), problem));
    None
}

fn required(attribute: &Attribute, errors: &mut Vec<syn::Error>) {
    let form = "`#[migration(version = \"0003\", databases = [\"conversations\"])]`";
    let mut missing = |key: &str| {
        if attribute.keys.lacks(key) {
            let problem = format!("`{key}` is missing: {form}");
            errors.push(syn::Error::new(Span::call_site(), problem));
        }
    };
    missing("version");
    missing("databases");
    if let (Some([]), Some(span)) = (attribute.databases.as_deref(), attribute.databases_span) {
        errors.push(syn::Error::new(span, format!("`databases` names at least one: {form}")));
    }
}

/// Judges the heads of the functions, as far as they can be seen.
fn signatures(
    attribute: &Attribute,
    function: &ast::Function<'_>,
    item: &Item<'_>,
    file: Option<&SourceFile>,
    errors: &mut Vec<syn::Error>,
) -> OwnHeads {
    let is_manual = attribute.transaction.as_ref().is_some_and(|text| text.value() == "manual");
    let mut named = |named: Option<&attr::Function>, role: Role| {
        let named = named.filter(|named| named.is_here);
        let Some((named, file)) = named.zip(file) else { return false };
        let Some(function) = file.function(&named.last.to_string()) else { return false };
        let mut mistakes = Vec::new();
        let is_own = signature::check(&function, role, Some(file), &mut mistakes);
        let mistakes = mistakes.into_iter();
        errors.extend(mistakes.map(|(_, text)| syn::Error::new(named.last.span(), text)));
        is_own
    };
    let downgrade = named(attribute.downgrade.as_ref(), Role::Downgrade { is_manual });
    let validate = named(attribute.validate.as_ref(), Role::Validate);
    let mut mistakes = Vec::new();
    let upgrade = signature::check(function, Role::Upgrade { is_manual }, file, &mut mistakes);
    errors.extend(mistakes.into_iter().map(|(at, text)| syn::Error::new(item.span(at), text)));
    OwnHeads { upgrade, downgrade, validate }
}

fn exclusive(attribute: &Attribute, errors: &mut Vec<syn::Error>) {
    if let (Some(_), Some(reason)) = (&attribute.downgrade, &attribute.irreversible) {
        errors.push(syn::Error::new(
            reason.span(),
            "`downgrade` and `irreversible` exclude each other: keep one",
        ));
    }
    if let Some(mode) = attribute
        .transaction
        .as_ref()
        .filter(|text| !["atomic", "manual"].contains(&text.value().as_str()))
    {
        errors.push(syn::Error::new(
            mode.span(),
            "a transaction is \"atomic\" (the default) or \"manual\"",
        ));
    }
    lint_codes::allowed(&attribute.allow, errors);
    recorded::legacy_checksums(&attribute.legacy_checksums, errors);
    recorded::schema_version(attribute.schema_version.as_ref(), errors);
}

fn dependencies(
    attribute: &Attribute,
    number: Option<u128>,
    errors: &mut Vec<syn::Error>,
) -> Vec<(LitStr, u128)> {
    let mut kept = Vec::new();
    for text in &attribute.depends_on {
        let Some(dependency) = version(text, errors) else { continue };
        let own = attribute.version.as_ref().map(LitStr::value).unwrap_or_default();
        match number {
            Some(number) if dependency == number => {
                errors.push(syn::Error::new(text.span(), "a migration can't depend on itself: remove this"));
            }
            Some(number) if dependency > number => errors.push(syn::Error::new(
                text.span(),
                format!(
                    "migration \"{own}\" can't depend on the later \"{}\"\nhelp: a dependency has a smaller version, \
                     which is also what rules out cycles: renumber one of the two",
                    text.value()
                ),
            )),
            _ if kept.iter().any(|(_, known)| *known == dependency) => {
                errors.push(syn::Error::new(text.span(), "this dependency is named twice: keep one"));
            }
            _ => kept.push((text.clone(), dependency)),
        }
    }
    kept
}

/// Judges the names of databases; if `migrations!` is still to come, it does.
pub(crate) fn databases(names: &[LitStr], migration: &str, errors: &mut Vec<syn::Error>) {
    let declared = state::with(|known| known.databases.clone());
    for (index, text) in names.iter().enumerate() {
        let name = text.value();
        if names[..index].iter().any(|other| other.value() == name) {
            errors.push(syn::Error::new(text.span(), "this database is named twice: keep one"));
            continue;
        }
        let Some(declared) = &declared else {
            let seen = state::Seen::new(migration, text);
            state::with(|known| known.named.push((name, seen)));
            continue;
        };
        // A declaration with a mistake declares nothing, and is told of itself.
        if !declared.is_empty() && !declared.contains(&name) {
            let suggestion = crate::near::suggestion(&name, declared.iter().map(String::as_str));
            let problem = format!(
                "`migrations!` does not declare the database `{name}`{suggestion}\nit declares {}",
                declared.join(", ")
            );
            errors.push(syn::Error::new(text.span(), problem));
        }
    }
}

/// A file that begins with a version holds that version.
fn file_name(text: &LitStr, number: u128, errors: &mut Vec<syn::Error>) {
    let Some(path) = text.span().unwrap().local_file() else { return };
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let digits: String = stem.chars().take_while(char::is_ascii_digit).collect();
    if digits.len() >= 4 && digits.parse() != Ok(number) {
        let problem = format!(
            "the file is named {stem}.rs and the version is \"{}\"\nhelp: rename the file, or write `version = \"{digits}\"`",
            text.value()
        );
        errors.push(syn::Error::new(text.span(), problem));
    }
}

/// Tells of a version that another migration of this crate has.
///
/// What has the same name and place is one migration, expanded twice.
pub(crate) fn duplicate(
    text: &LitStr,
    number: u128,
    here: &state::Seen,
    errors: &mut Vec<syn::Error>,
) -> bool {
    if compiler::in_editor() {
        return false;
    }
    let before = state::with(|known| match known.versions.get(&number) {
        Some(before) => Some(before.clone()),
        None => known.versions.insert(number, here.clone()),
    });
    let Some(before) = before.filter(|before| *before != *here) else { return false };
    let problem = format!(
        "version \"{}\" is taken by `{}`\n  at {}\nhelp: renumber the one that is not released yet",
        text.value(),
        before.name,
        before.place
    );
    errors.push(syn::Error::new(text.span(), problem));
    true
}

/// Checks the SQL of the function, and of what it names in this file.
fn statements(
    attribute: &Attribute,
    function: &ast::Function<'_>,
    item: &Item<'_>,
    source: &Source<'_>,
    errors: &mut Vec<syn::Error>,
) {
    let databases: Vec<String> = attribute.databases.iter().flatten().map(LitStr::value).collect();
    if databases.is_empty() {
        return;
    }
    let name = || item.span(function.name_at);
    for finding in calls::check(&item.trees, Some(&databases)) {
        let place = item.span_of(finding.literal).unwrap_or_else(name);
        errors.push(syn::Error::new(place, finding.text));
    }
    let Some(file) = source.file else { return };
    for named in &source.named {
        let anchor = anchor(attribute, &named.name);
        // A helper may serve other migrations, with other databases, too.
        let judged = anchor.map(|_| databases.as_slice());
        let anchor = anchor.unwrap_or_else(name);
        for finding in calls::check(named.trees, judged) {
            let literal = trees::readable(std::slice::from_ref(finding.literal));
            let line = file.line_of(finding.literal);
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let problem = format!(
                "in `{}`: {}\n  at {}{line}: {literal}",
                named.name,
                finding.text,
                file.path.display()
            );
            errors.push(syn::Error::new(anchor, problem));
        }
    }
}

fn anchor(attribute: &Attribute, name: &str) -> Option<Span> {
    let functions = [&attribute.downgrade, &attribute.validate].into_iter().flatten();
    functions
        .into_iter()
        .find(|function| function.last == name)
        .map(|function| function.last.span())
}

/// Returns whether the lock file holds just this source.
fn is_released(number: Option<u128>, checksum: &[u8; 32]) -> bool {
    let lock = state::with(|known| known.lock.clone());
    lock.zip(number).is_some_and(|(lock, number)| lock.holds(number, &hex(checksum)))
}

/// A released migration must not change; `covered` says what its checksum covers besides itself.
pub(crate) fn released(
    (text, number): (&LitStr, Option<u128>),
    name: &str,
    checksum: &[u8; 32],
    covered: &str,
    errors: &mut Vec<syn::Error>,
) {
    let Some(file) = state::with(|known| known.lock.clone()) else { return };
    let Some(number) = number else { return };
    let now = hex(checksum);
    if file.holds(number, &now) {
        return;
    }
    if lock::updates() {
        let line = lock::Line { version: text.value(), name: name.to_owned(), checksum: now };
        if let Err(problem) = lock::record(&file.path, &line) {
            errors.push(syn::Error::new(text.span(), problem));
        }
        return;
    }
    let Some(line) = file.lines.get(&number) else { return };
    let problem = format!(
        "migration \"{}\" is released and must not change\n  {} has   {}  ({})\n  the source now has  {now}{covered}\n\
         help: undo the change and put it into a new migration\n\
         help: if no database has run it yet: `{}=update cargo check`",
        text.value(),
        file.path.file_name().unwrap_or_default().to_string_lossy(),
        line.checksum,
        line.name,
        lock::VARIABLE
    );
    errors.push(syn::Error::new(text.span(), problem));
}

fn hex(checksum: &[u8; 32]) -> String {
    checksum.iter().map(|byte| format!("{byte:02x}")).collect()
}
