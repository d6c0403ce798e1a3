//! The generated code: absolute paths, the private module, nothing unsafe.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::LitStr;

use crate::set::Set;
use crate::sql_file::{Part, SqlMigration};
use crate::valid::Checked;
use crate::{attr, state};

/// The module in the crate's root that `migrations!` makes. If it is missing, its name is the help.
fn marker() -> Ident {
    format_ident!("__agentos_migrate_needs_migrations_in_the_crate_root")
}

fn private() -> TokenStream {
    quote!(::agentos_migrate::private)
}

/// Names the set: where `migrations!` is not expanded yet it may be missing, and then a trait says so.
///
/// The inner names shadow the outer ones: the crate's own set, if there is one.
fn declaration() -> TokenStream {
    let (marker, private) = (marker(), private());
    if state::with(|known| known.databases.is_some()) {
        return quote!(&crate::#marker::DECLARATION);
    }
    quote!({
        use #private::no_set::*;
        {
            use crate::*;
            &#marker::DECLARATION
        }
    })
}

/// Asks once for a set that is not seen yet, with a text for who forgot it.
pub(crate) fn demand_of_a_set(span: Span) -> TokenStream {
    let (marker, private) = (marker(), private());
    if !state::with(state::Known::asks_for_the_set) {
        return TokenStream::new();
    }
    let marker = Ident::new(&marker.to_string(), span.resolved_at(Span::call_site()));
    let asked = quote_spanned!(span=> <#marker::Set as #private::DeclaredSet>::PROOF);
    quote! {
        const _: () = {
            use #private::no_set::*;
            const _: () = {
                use crate::*;
                #asked
            };
        };
    }
}

/// Declares a version, if a migration that was expanded before depends on it.
pub(crate) fn declares(number: u128, span: Span) -> TokenStream {
    if !state::with(|known| known.asked.contains(&number)) {
        return TokenStream::new();
    }
    let (marker, private) = (marker(), private());
    let number = Literal::u128_unsuffixed(number);
    quote_spanned! {span.resolved_at(Span::call_site())=>
        impl #private::Declares<#private::VersionNumber<#number>> for crate::#marker::Set {}
    }
}

/// Asks the compiler for dependencies that are expanded later, if they exist.
///
/// No place in Rust tells of a file that the folder was searched for: a trait of its own names it.
fn proofs(found: Option<&str>, depends_on: &[(LitStr, u128)]) -> TokenStream {
    let (marker, private) = (marker(), private());
    let unseen = |dependency: &&(LitStr, u128)| state::with(|known| known.asks_for(dependency.1));
    let versions = depends_on.iter().filter(unseen).map(|(text, number)| {
        let number = Literal::u128_unsuffixed(*number);
        let declares = quote!(#private::Declares<#private::VersionNumber<#number>>);
        let Some(file) = found else {
            return quote_spanned!(text.span()=>
                const _: () = <crate::#marker::Set as #declares>::PROOF;);
        };
        let message =
            format!("{file} depends on {}, which no migration of this crate declares", text.value());
        quote_spanned! {text.span()=>
            const _: () = {
                #[diagnostic::on_unimplemented(message = #message, label = "a file here depends on it")]
                trait Dependency { const PROOF: () = (); }
                #[diagnostic::do_not_recommend]
                impl<T: #declares> Dependency for T {}
                <crate::#marker::Set as Dependency>::PROOF
            };
        }
    });
    quote!(#(#versions)*)
}

/// What the registration of any migration holds.
struct Registration<'a> {
    version: &'a LitStr,
    number: u128,
    name: &'a str,
    description: &'a str,
    databases: &'a [LitStr],
    depends_on: &'a [(LitStr, u128)],
    /// The file, if the folder was searched for it.
    found: Option<&'a str>,
    schema_version: Option<&'a LitStr>,
    irreversible: Option<&'a LitStr>,
    checksum: &'a [u8; 32],
    legacy_checksums: &'a [LitStr],
    deletes: &'a [LitStr],
    allow: &'a [LitStr],
    upgrade: TokenStream,
    downgrade: TokenStream,
    validate: TokenStream,
    file: TokenStream,
    line: TokenStream,
}

impl Registration<'_> {
    /// Writes the registration, and what the compiler has to prove for it.
    fn tokens(&self) -> TokenStream {
        let private = private();
        let Self { version, name, description, databases, legacy_checksums, deletes, .. } = self;
        let Self { allow, upgrade, downgrade, validate, file, line, .. } = self;
        let set = declaration();
        let demand = demand_of_a_set(version.span());
        let declares = declares(self.number, version.span());
        let proofs = proofs(self.found, self.depends_on);
        let number = Literal::u128_unsuffixed(self.number);
        let depends_on = self.depends_on.iter().map(|(text, number)| {
            let number = Literal::u128_unsuffixed(*number);
            quote!(::agentos_migrate::Version::from_checked(#number, #text))
        });
        let schema_version = option(self.schema_version);
        let irreversible = option(self.irreversible);
        let checksum = Literal::byte_string(self.checksum);
        quote! {
            #demand
            #declares
            #proofs
            #private::inventory::submit! {
                #private::Registration {
                    set: #set,
                    version: #version,
                    number: #number,
                    name: #name,
                    description: #description,
                    databases: &[#(#databases),*],
                    depends_on: &[#(#depends_on),*],
                    schema_version: #schema_version,
                    irreversible: #irreversible,
                    checksum: *#checksum,
                    legacy_checksums: &[#(#legacy_checksums),*],
                    deletes: &[#(#deletes),*],
                    allow: &[#(#allow),*],
                    file: #file,
                    line: #line,
                    upgrade: #upgrade,
                    downgrade: #downgrade,
                    validate: #validate,
                }
            }
        }
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    if let Some(value) = value {
        quote!(::core::option::Option::Some(#value))
    } else {
        quote!(::core::option::Option::None)
    }
}

/// Writes the function as it is, and its registration.
pub(crate) fn migration(checked: &Checked, item: &TokenStream) -> TokenStream {
    let Checked { is_own, function, .. } = checked;
    let upgrade = step(checked, is_own.upgrade, function.span(), &quote!(#function));
    let downgrade = checked
        .downgrade
        .as_ref()
        .map(|function| step(checked, is_own.downgrade, function.last.span(), &function.path));
    let validate = checked.validate.as_ref().map(|function| validation(function, is_own.validate));
    let place = Span::call_site().unwrap();
    let (file, line) = (place.file(), Literal::usize_unsuffixed(place.line()));
    let registration = Registration {
        version: &checked.version,
        number: checked.number,
        name: &checked.name,
        description: &checked.description,
        databases: &checked.databases,
        depends_on: &checked.depends_on,
        found: None,
        schema_version: checked.schema_version.as_ref(),
        irreversible: checked.irreversible.as_ref(),
        checksum: &checked.checksum,
        legacy_checksums: &checked.legacy_checksums,
        deletes: &checked.deletes,
        allow: &checked.allow,
        upgrade,
        downgrade: option(downgrade),
        validate: option(validate),
        file: quote!(#file),
        line: quote!(#line),
    }
    .tokens();
    quote!(#item #registration)
}

/// Writes the function itself, or a plain function around a call of it that makes any error type ours.
fn step(checked: &Checked, is_own: bool, span: Span, path: &TokenStream) -> TokenStream {
    let private = private();
    let (variant, context) = if checked.is_manual {
        (quote!(Manual), quote!(ManualContext))
    } else {
        (quote!(Atomic), quote!(MigrationContext))
    };
    if is_own {
        return quote!(#private::Step::#variant(#path));
    }
    let ctx = own_context();
    let call = quote_spanned!(span=> #private::StepResult::into_result(#path(#ctx)));
    quote! {
        #private::Step::#variant({
            fn step(#ctx: &mut ::agentos_migrate::#context) -> ::agentos_migrate::Result<()> { #call }
            step
        })
    }
}

/// The context of a function of ours: one name, also where another macro made the migration.
fn own_context() -> Ident {
    Ident::new("ctx", Span::mixed_site())
}

fn validation(function: &attr::Function, is_own: bool) -> TokenStream {
    let (private, span, path) = (private(), function.last.span(), &function.path);
    if is_own {
        return path.clone();
    }
    let ctx = own_context();
    let call = quote_spanned!(span=> #private::CheckResult::into_result(#path(#ctx)));
    quote!({
        fn validate(#ctx: &::agentos_migrate::MigrationContext) -> ::agentos_migrate::Result<bool> { #call }
        validate
    })
}

/// Writes the registration of SQL files; the compiler follows the files.
pub(crate) fn sql_migration(migration: &SqlMigration) -> TokenStream {
    let private = private();
    let run = |parts: &[Part]| {
        let calls = parts.iter().map(|Part { database, path, .. }| {
            let text = included(path);
            quote!(#private::run_file(ctx, #database, #path, #text)?;)
        });
        quote!(#private::Step::Atomic({
            fn step(ctx: &mut ::agentos_migrate::MigrationContext) -> ::agentos_migrate::Result<()> {
                #(#calls)*
                ::core::result::Result::Ok(())
            }
            step
        }))
    };
    let downgrade = (!migration.down.is_empty()).then(|| run(&migration.down));
    let file = migration.up.first().map(|part| part.path.clone()).unwrap_or_default();
    Registration {
        version: &migration.version,
        number: migration.number,
        name: &migration.name,
        description: &migration.description,
        databases: &migration.databases,
        depends_on: &migration.depends_on,
        found: migration.is_found.then_some(&*file),
        schema_version: migration.schema_version.as_ref(),
        irreversible: migration.irreversible.as_ref(),
        checksum: &migration.checksum,
        legacy_checksums: &migration.legacy_checksums,
        deletes: &migration.deletes,
        allow: &migration.allow,
        upgrade: run(&migration.up),
        downgrade: option(downgrade),
        validate: quote!(::core::option::Option::None),
        file: quote!(#file),
        line: quote!(1),
    }
    .tokens()
}

/// Writes the text of a file, from the crate's root, as the compiler includes and follows it.
fn included(path: &str) -> TokenStream {
    let path = format!("/{path}");
    quote!(::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path)))
}

/// Writes the marker module, the registry, and the modules of the folder.
pub(crate) fn set(set: &Set) -> TokenStream {
    let private = private();
    let databases = set.databases.iter().map(ToString::to_string);
    let backup = &set.backup;
    let table = set
        .schema_version_table
        .as_ref()
        .map_or_else(|| "schema_version".to_owned(), LitStr::value);
    let (expected, seal) = (&set.expected, set.seal());
    let included_lock = set.lock.as_ref().map(|lock| included(&lock.path.value()));
    // An update is only about to write the lines of this source: the old ones are not the set's.
    let lock_file =
        included_lock.clone().filter(|_| !crate::lock::updates()).unwrap_or_else(|| quote!(""));
    let (lock_path, dir) =
        (option(set.lock.as_ref().map(|lock| &lock.path)), option(set.dir.as_ref()));
    let baseline = set.baseline.iter().map(|(database, path)| {
        let text = included(path);
        quote!((#database, #text))
    });
    let declaration = quote! {
        #private::SetDeclaration {
            crate_name: ::core::env!("CARGO_PKG_NAME"),
            databases: &[#(#databases),*],
            backup: &[#(#backup),*],
            schema_version_table: #table,
            baseline: &[#(#baseline),*],
            expected: &[#(#expected),*],
            lock: #lock_file,
            lock_path: #lock_path,
            dir: #dir,
            manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
            seal: #seal,
        }
    };
    // An edit of the lock file compiles the crate again, as it is included; so does the variable.
    let variable = crate::lock::VARIABLE;
    let tracked = included_lock.map(|text| {
        quote!(
            const _: (&str, ::core::option::Option<&str>) = (#text, ::core::option_env!(#variable));
        )
    });
    let modules = set.modules.iter().map(|module| {
        let (name, path) = (&module.name, &module.path);
        let documentation = format!("Migrations of `{path}`.");
        quote!(#[doc = #documentation] #[path = #path] pub mod #name;)
    });
    let sql_migrations = set.sql_migrations.iter().map(sql_migration);
    let base = base(&declaration);
    quote! {
        #base
        #tracked
        #(#modules)*
        #(#sql_migrations)*
    }
}

/// Writes an empty set, in place of one that can't be read.
pub(crate) fn empty_set() -> TokenStream {
    let private = private();
    let declaration = quote!(#private::SetDeclaration::NONE);
    base(&declaration)
}

fn base(declaration: &TokenStream) -> TokenStream {
    let (marker, private) = (marker(), private());
    quote! {
        #[doc(hidden)]
        #[allow(dead_code)]
        pub(crate) mod #marker {
            pub struct Set;
            impl #private::DeclaredSet for Set {}
            pub static DECLARATION: #private::SetDeclaration = #declaration;
        }

        /// Returns the migrations of this crate, sorted by version.
        pub fn registry() -> ::agentos_migrate::Registry {
            static REGISTRY: ::std::sync::OnceLock<::agentos_migrate::Registry> = ::std::sync::OnceLock::new();
            ::std::clone::Clone::clone(REGISTRY.get_or_init(|| ::agentos_migrate::Registry::collect(&#marker::DECLARATION)))
        }
    }
}

/// Writes a text, or why it is refused.
pub(crate) fn checked_text(text: &LitStr, outcome: Result<(), syn::Error>) -> TokenStream {
    match outcome {
        Ok(()) => quote!(#text),
        Err(error) => {
            let error = error.into_compile_error();
            quote!({ #error #text })
        }
    }
}
