//! The generated code: absolute paths, the private module, nothing unsafe.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::LitStr;

use crate::set::Set;
use crate::sql_file::{Part, SqlMigration};
use crate::valid::Checked;

/// The module in the crate's root that `migrations!` makes. If it is missing, its name is the help.
fn marker() -> Ident {
    format_ident!("__agentos_migrate_needs_migrations_in_the_crate_root")
}

fn private() -> TokenStream {
    quote!(::agentos_migrate::private)
}

/// Declares a version, so that a second one of it does not compile.
pub(crate) fn declares(number: u128, span: Span) -> TokenStream {
    let (marker, private) = (Ident::new(&marker().to_string(), span), private());
    let number = Literal::u128_unsuffixed(number);
    quote_spanned!(span=> #[allow(unused_qualifications)] impl #private::Declares<#private::VersionNumber<#number>> for crate::#marker::Set {})
}

fn dependencies(depends_on: &[(LitStr, u128)]) -> TokenStream {
    let proofs = depends_on.iter().map(|(text, number)| {
        let (marker, private) = (Ident::new(&marker().to_string(), text.span()), private());
        let number = Literal::u128_unsuffixed(*number);
        quote_spanned!(text.span()=>
            #[allow(unused_qualifications)]
            const _: () = <crate::#marker::Set as #private::Declares<#private::VersionNumber<#number>>>::PROOF;)
    });
    quote!(#(#proofs)*)
}

fn databases(names: &[LitStr]) -> TokenStream {
    let proofs = names.iter().map(|text| {
        let marker = Ident::new(&marker().to_string(), text.span());
        let name: String =
            text.value().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let name = if name.is_empty() { "_empty".to_owned() } else { name };
        let name = Ident::new_raw(&name, text.span());
        quote_spanned!(text.span()=>
            #[allow(unused_qualifications)]
            const _: () = crate::#marker::databases::#name;)
    });
    quote!(#(#proofs)*)
}

/// What the registration of any migration holds.
struct Registration<'a> {
    version: &'a LitStr,
    number: u128,
    name: &'a str,
    description: &'a str,
    databases: &'a [LitStr],
    depends_on: &'a [(LitStr, u128)],
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
    fn tokens(&self) -> TokenStream {
        let (marker, private) = (marker(), private());
        let Self {
            version,
            name,
            description,
            databases,
            legacy_checksums,
            deletes,
            allow,
            upgrade,
            downgrade,
            validate,
            file,
            line,
            ..
        } = self;
        let number = Literal::u128_unsuffixed(self.number);
        let depends_on = self.depends_on.iter().map(|(text, number)| {
            let number = Literal::u128_unsuffixed(*number);
            quote!(::agentos_migrate::Version::from_checked(#number, #text))
        });
        let optional = |value: Option<&LitStr>| {
            if let Some(text) = value {
                quote!(::core::option::Option::Some(#text))
            } else {
                quote!(::core::option::Option::None)
            }
        };
        let (schema_version, irreversible) =
            (optional(self.schema_version), optional(self.irreversible));
        let checksum = self.checksum.iter().map(|byte| Literal::u8_unsuffixed(*byte));
        quote! {
            #private::inventory::submit! {
                #private::Registration {
                    set: &crate::#marker::DECLARATION,
                    version: #version,
                    number: #number,
                    name: #name,
                    description: #description,
                    databases: &[#(#databases),*],
                    depends_on: &[#(#depends_on),*],
                    schema_version: #schema_version,
                    irreversible: #irreversible,
                    checksum: [#(#checksum),*],
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

/// Writes the function as it is, and its registration.
pub(crate) fn migration(checked: &Checked, item: &TokenStream) -> TokenStream {
    let private = private();
    let declares = declares(checked.number, checked.version.span());
    let (dependencies, databases) =
        (dependencies(&checked.depends_on), databases(&checked.databases));
    let upgrade = &checked.function;
    let upgrade = step(checked.is_manual, upgrade.span(), &quote!(#upgrade));
    let downgrade = if let Some(function) = &checked.downgrade {
        let step = step(checked.is_manual, function.last.span(), &function.path);
        quote!(::core::option::Option::Some(#step))
    } else {
        quote!(::core::option::Option::None)
    };
    let validate = if let Some(function) = &checked.validate {
        let (span, path) = (function.last.span(), &function.path);
        let call = quote_spanned!(span=> #private::CheckResult::into_result(#path(ctx)));
        quote!(::core::option::Option::Some({
            fn validate(ctx: &::agentos_migrate::MigrationContext) -> ::agentos_migrate::Result<bool> { #call }
            validate
        }))
    } else {
        quote!(::core::option::Option::None)
    };
    let registration = Registration {
        version: &checked.version,
        number: checked.number,
        name: &checked.name,
        description: &checked.description,
        databases: &checked.databases,
        depends_on: &checked.depends_on,
        schema_version: checked.schema_version.as_ref(),
        irreversible: checked.irreversible.as_ref(),
        checksum: &checked.checksum,
        legacy_checksums: &checked.legacy_checksums,
        deletes: &checked.deletes,
        allow: &checked.allow,
        upgrade,
        downgrade,
        validate,
        file: quote!(::core::file!()),
        line: quote!(::core::line!()),
    }
    .tokens();
    quote! {
        #item
        #declares
        const _: () = {
            #dependencies
            #databases
            #registration
        };
    }
}

/// Writes a plain function around a call, so that any error type becomes ours.
fn step(is_manual: bool, span: Span, path: &TokenStream) -> TokenStream {
    let private = private();
    let call = quote_spanned!(span=> #private::StepResult::into_result(#path(ctx)));
    let (variant, context) = if is_manual {
        (quote!(Manual), quote!(ManualContext))
    } else {
        (quote!(Atomic), quote!(MigrationContext))
    };
    quote! {
        #private::Step::#variant({
            fn step(ctx: &mut ::agentos_migrate::#context) -> ::agentos_migrate::Result<()> { #call }
            step
        })
    }
}

/// Writes the registration of SQL files; the compiler follows the files.
pub(crate) fn sql_migration(migration: &SqlMigration) -> TokenStream {
    let private = private();
    let declares = declares(migration.number, migration.version.span());
    let (dependencies, databases) =
        (dependencies(&migration.depends_on), databases(&migration.databases));
    let run = |parts: &[Part]| {
        let calls = parts.iter().map(|Part { database, path, .. }| {
            let path = format!("/{path}");
            quote!(ctx.execute_batch(#database, ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path)))?;)
        });
        quote!(#private::Step::Atomic({
            fn step(ctx: &mut ::agentos_migrate::MigrationContext) -> ::agentos_migrate::Result<()> {
                #(#calls)*
                ::core::result::Result::Ok(())
            }
            step
        }))
    };
    let downgrade = if migration.down.is_empty() {
        quote!(::core::option::Option::None)
    } else {
        let step = run(&migration.down);
        quote!(::core::option::Option::Some(#step))
    };
    let file = migration.up.first().map(|part| part.path.clone()).unwrap_or_default();
    let registration = Registration {
        version: &migration.version,
        number: migration.number,
        name: &migration.name,
        description: &migration.description,
        databases: &migration.databases,
        depends_on: &migration.depends_on,
        schema_version: migration.schema_version.as_ref(),
        irreversible: migration.irreversible.as_ref(),
        checksum: &migration.checksum,
        legacy_checksums: &migration.legacy_checksums,
        deletes: &migration.deletes,
        allow: &migration.allow,
        upgrade: run(&migration.up),
        downgrade,
        validate: quote!(::core::option::Option::None),
        file: quote!(#file),
        line: quote!(1),
    }
    .tokens();
    quote! {
        #declares
        const _: () = {
            #dependencies
            #databases
            #registration
        };
    }
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
    let expected = &set.expected;
    let lines = set.lock.iter().flat_map(|lock| &lock.lines).map(|line| {
        let (version, name, checksum) = (&line.version, &line.name, &line.checksum);
        quote!((#version, #name, #checksum))
    });
    let optional = |value: Option<&LitStr>| {
        if let Some(text) = value {
            quote!(::core::option::Option::Some(#text))
        } else {
            quote!(::core::option::Option::None)
        }
    };
    let (lock_path, dir) =
        (optional(set.lock.as_ref().map(|lock| &lock.path)), optional(set.dir.as_ref()));
    let baseline = set.baseline.iter().map(|(database, path)| {
        let path = format!("/{path}");
        quote!((#database, ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path))))
    });
    let declaration = quote! {
        #private::SetDeclaration {
            crate_name: ::core::env!("CARGO_PKG_NAME"),
            databases: &[#(#databases),*],
            backup: &[#(#backup),*],
            schema_version_table: #table,
            baseline: &[#(#baseline),*],
            expected: &[#(#expected),*],
            lock: &[#(#lines),*],
            lock_path: #lock_path,
            dir: #dir,
            manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
        }
    };
    // An edit of the lock file, or of the variable, compiles the crate again.
    let tracked = set.lock.as_ref().map(|lock| {
        let (path, variable) = (format!("/{}", lock.path.value()), crate::lock::VARIABLE);
        quote! {
            const _: &str = ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path));
            const _: ::core::option::Option<&str> = ::core::option_env!(#variable);
        }
    });
    let modules = set.modules.iter().map(|module| {
        let (name, path) = (&module.name, &module.path);
        let documentation = format!("Migrations of `{path}`.");
        quote!(#[doc = #documentation] #[path = #path] pub mod #name;)
    });
    let sql_migrations = set.sql_migrations.iter().map(sql_migration);
    let names = set.databases.iter().map(|name| Ident::new_raw(&name.to_string(), name.span()));
    let base = base(&declaration, &quote!(#(pub const #names: () = ();)*));
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
    let declaration = quote! {
        #private::SetDeclaration {
            crate_name: "",
            databases: &[],
            backup: &[],
            schema_version_table: "",
            baseline: &[],
            expected: &[],
            lock: &[],
            lock_path: ::core::option::Option::None,
            dir: ::core::option::Option::None,
            manifest_dir: "",
        }
    };
    base(&declaration, &TokenStream::new())
}

fn base(declaration: &TokenStream, names: &TokenStream) -> TokenStream {
    let (marker, private) = (marker(), private());
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, non_upper_case_globals)]
        pub mod #marker {
            pub struct Set;
            pub static DECLARATION: #private::SetDeclaration = #declaration;
            pub mod databases { #names }
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
