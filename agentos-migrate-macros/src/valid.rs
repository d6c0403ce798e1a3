//! The rules that a migration has to keep, each with words for who broke it.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::LitStr;

use crate::attr::{self, Attribute};
use crate::checksum::Canonical;
use crate::source::SourceFile;
use crate::{ast, calls, lint_codes, lock, source, state};

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
    pub(crate) function: proc_macro2::Ident,
    pub(crate) checksum: [u8; 32],
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
    let function = match ast::parse(item) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            return Err(Refused { errors, version: None });
        }
    };
    let number = attribute.version.as_ref().and_then(|text| version(text, &mut errors));
    let keys_were_read = errors.is_empty();
    required(&attribute, keys_were_read, &mut errors);
    signature(&attribute, &function, &mut errors);
    exclusive(&attribute, &mut errors);
    let depends_on = dependencies(&attribute, number, &mut errors);
    databases(attribute.databases.as_deref().unwrap_or_default(), &mut errors);
    let mut is_duplicate = false;
    if let (Some(text), Some(number)) = (&attribute.version, number) {
        file_name(text, number, &mut errors);
        is_duplicate = duplicate(text, number, &function.name.to_string(), &mut errors);
    }
    let file = SourceFile::of(function.name.span());
    statements(&attribute, &function, file.as_ref(), &mut errors);
    let name = attribute.name.as_ref().map_or_else(|| function.name.to_string(), LitStr::value);
    let checksum = checksum(&attribute, number, item, file.as_ref());
    if let (Some(text), true, Some(_)) = (&attribute.version, errors.is_empty(), &file) {
        released(text, number, &name, &checksum, &mut errors);
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
            function: function.name,
            checksum,
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

fn required(attribute: &Attribute, keys_were_read: bool, errors: &mut Vec<syn::Error>) {
    if !keys_were_read {
        return;
    }
    let form = "`#[migration(version = \"0003\", databases = [\"conversations\"])]`";
    let mut missing = |key: &str| {
        errors.push(syn::Error::new(Span::call_site(), format!("`{key}` is missing: {form}")));
    };
    if attribute.version.is_none() {
        missing("version");
    }
    if attribute.databases.is_none() {
        missing("databases");
    } else if attribute.databases.as_ref().is_some_and(Vec::is_empty) {
        errors.push(syn::Error::new(
            Span::call_site(),
            format!("`databases` names at least one: {form}"),
        ));
    }
}

fn signature(attribute: &Attribute, function: &ast::Function, errors: &mut Vec<syn::Error>) {
    let form = "`fn name(ctx: &mut MigrationContext) -> Result<()>`";
    if let Some(word) = &function.qualifier {
        errors.push(syn::Error::new(
            word.span(),
            format!("a migration can't be `{word}`: write {form}"),
        ));
    }
    if let Some(span) = function.generics {
        errors.push(syn::Error::new(span, format!("a migration can't be generic: write {form}")));
    }
    let tokens: Vec<TokenTree> = function.parameters.stream().into_iter().collect();
    let is_comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let count = tokens.split(is_comma).filter(|part| !part.is_empty()).count();
    let is_method = tokens
        .iter()
        .take(3)
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "self"));
    if count != 1 || is_method {
        let found = if is_method { "`self`".to_owned() } else { format!("{count} parameters") };
        errors.push(syn::Error::new(function.parameters.span(), format!("a migration takes the context and nothing else, this one takes {found}: write {form}")));
    }
    if function.returns.is_none() {
        errors.push(syn::Error::new(
            function.name.span(),
            format!("a migration returns `Result<()>`: write {form}"),
        ));
    }
    let takes_manual = tokens
        .iter()
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "ManualContext"));
    let is_manual = attribute.transaction.as_ref().is_some_and(|text| text.value() == "manual");
    if takes_manual && !is_manual {
        errors.push(syn::Error::new(function.parameters.span(), "a migration that takes `ManualContext` commits by itself: add `transaction = \"manual\"`"));
    }
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

/// Judges the names of databases, as far as this process knows the declaration.
pub(crate) fn databases(names: &[LitStr], errors: &mut Vec<syn::Error>) {
    let declared = state::with(|known| known.databases.clone());
    for (index, text) in names.iter().enumerate() {
        let name = text.value();
        if names[..index].iter().any(|other| other.value() == name) {
            errors.push(syn::Error::new(text.span(), "this database is named twice: keep one"));
        } else if let Some(declared) =
            declared.as_ref().filter(|declared| !declared.contains(&name))
        {
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

/// Tells of a version that another migration of this crate has; the compiler's own check follows if this does not.
pub(crate) fn duplicate(
    text: &LitStr,
    number: u128,
    name: &str,
    errors: &mut Vec<syn::Error>,
) -> bool {
    if state::in_editor() {
        return false;
    }
    let place = text.span().unwrap();
    let place = format!("{}:{}:{}", place.file(), place.line(), place.column());
    let here = state::Seen { name: name.to_owned(), place };
    let before = state::with(|known| {
        let before = known.versions.get(&number).cloned();
        known.versions.entry(number).or_insert_with(|| here.clone());
        before
    });
    let Some(before) = before.filter(|before| before.place != here.place) else { return false };
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
    function: &ast::Function,
    file: Option<&SourceFile>,
    errors: &mut Vec<syn::Error>,
) {
    let databases: Vec<String> = attribute.databases.iter().flatten().map(LitStr::value).collect();
    if databases.is_empty() {
        return;
    }
    for finding in calls::check(function.body.stream(), &databases) {
        errors.push(syn::Error::new(finding.literal.span(), finding.text));
    }
    let Some(file) = file else { return };
    let own = function.name.to_string();
    for item in file.reached_from(names(attribute, &function.body.stream())) {
        if item.name == own {
            continue;
        }
        let anchor = anchor(attribute, item.name).unwrap_or_else(|| function.name.span());
        for finding in calls::check(item.tokens.clone(), &databases) {
            let literal = finding.literal.token().to_string();
            let line = file.line_of(&literal).map(|line| format!(":{line}")).unwrap_or_default();
            let problem = format!(
                "in `{}`: {}\n  at {}{line}: {literal}",
                item.name,
                finding.text,
                file.path.display()
            );
            errors.push(syn::Error::new(anchor, problem));
        }
    }
}

fn names(attribute: &Attribute, body: &TokenStream) -> std::collections::BTreeSet<String> {
    let functions = [&attribute.downgrade, &attribute.validate].into_iter().flatten();
    let here =
        functions.filter(|function| function.is_here).map(|function| function.last.to_string());
    source::names_in(body.clone()).into_iter().chain(here).collect()
}

fn anchor(attribute: &Attribute, name: &str) -> Option<Span> {
    let functions = [&attribute.downgrade, &attribute.validate].into_iter().flatten();
    functions
        .into_iter()
        .find(|function| function.last == name)
        .map(|function| function.last.span())
}

/// Sums up what the migration means: the function, what it names in this file, and the values that matter.
fn checksum(
    attribute: &Attribute,
    number: Option<u128>,
    item: &TokenStream,
    file: Option<&SourceFile>,
) -> [u8; 32] {
    let mut canonical = Canonical::new();
    canonical.value("version", [number.unwrap_or_default().to_string().as_str()]);
    let values = |texts: &[LitStr]| texts.iter().map(LitStr::value).collect::<Vec<_>>();
    let mut add =
        |key: &str, values: Vec<String>| canonical.value(key, values.iter().map(String::as_str));
    add("databases", values(attribute.databases.as_deref().unwrap_or_default()));
    add(
        "depends_on",
        attribute
            .depends_on
            .iter()
            .filter_map(|text| text.value().parse::<u128>().ok())
            .map(|number| number.to_string())
            .collect(),
    );
    add("schema_version", attribute.schema_version.iter().map(LitStr::value).collect());
    add(
        "transaction",
        attribute.transaction.iter().map(LitStr::value).filter(|mode| mode != "atomic").collect(),
    );
    add("deletes", values(&attribute.deletes));
    add(
        "downgrade",
        attribute
            .downgrade
            .iter()
            .map(|function| function.path.to_string().replace(' ', ""))
            .collect(),
    );
    add(
        "validate",
        attribute
            .validate
            .iter()
            .map(|function| function.path.to_string().replace(' ', ""))
            .collect(),
    );
    canonical.tokens(item.clone());
    let Some(file) = file else { return canonical.finish() };
    include(&mut canonical, item.clone(), file);
    let own = ast::parse(item).map(|function| function.name.to_string()).unwrap_or_default();
    for named in file.reached_from(names(attribute, item)) {
        if named.name != own {
            canonical.tokens(named.tokens.clone());
            include(&mut canonical, named.tokens.clone(), file);
        }
    }
    canonical.finish()
}

fn include(canonical: &mut Canonical, tokens: TokenStream, file: &SourceFile) {
    for path in source::included_files(tokens, &file.path) {
        // A file that is missing is the compiler's to tell.
        if let Ok(text) = std::fs::read_to_string(path) {
            canonical.file(&text);
        }
    }
}

/// A released migration must not change.
pub(crate) fn released(
    text: &LitStr,
    number: Option<u128>,
    name: &str,
    checksum: &[u8; 32],
    errors: &mut Vec<syn::Error>,
) {
    let Some(path) = state::with(|known| known.lock.clone()) else { return };
    let Some(number) = number else { return };
    let now: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    if lock::updates() {
        let line = lock::Line { version: text.value(), name: name.to_owned(), checksum: now };
        if let Err(problem) = lock::record(&path, &line) {
            errors.push(syn::Error::new(text.span(), problem));
        }
        return;
    }
    // A file that can't be read is told once, by `migrations!`.
    let Ok(lines) = lock::read(&path) else { return };
    let Some(line) = lines.get(&number).filter(|line| !line.checksum.eq_ignore_ascii_case(&now))
    else {
        return;
    };
    let problem = format!(
        "migration \"{}\" is released and must not change\n  {} has   {}  ({})\n  the source now has  {now}\n\
         help: undo the change and put it into a new migration\n\
         help: if no database has run it yet: `{}=update cargo check`",
        text.value(),
        path.file_name().unwrap_or_default().to_string_lossy(),
        line.checksum,
        line.name,
        lock::VARIABLE
    );
    errors.push(syn::Error::new(text.span(), problem));
}
