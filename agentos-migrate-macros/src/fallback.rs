//! What is written when a rule is broken: the errors, and the rest of what the user wrote.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand;
use crate::valid::Refused;

/// The function stays, and its version counts as declared: no second error follows.
pub(crate) fn item(item: &TokenStream, refused: Refused) -> TokenStream {
    let refused = migration(refused);
    quote!(#item #refused)
}

/// The errors of a migration, whose version counts as declared.
pub(crate) fn migration(refused: Refused) -> TokenStream {
    let errors = refused.errors.into_iter().map(syn::Error::into_compile_error);
    let declared = refused.version.map(|(number, span)| expand::declares(number, span));
    quote!(#(#errors)* #declared)
}

/// A set that can't be read is an empty one: `registry()` exists, and no other error follows.
pub(crate) fn set(errors: Vec<syn::Error>) -> TokenStream {
    let errors = errors.into_iter().map(syn::Error::into_compile_error);
    let empty = expand::empty_set();
    quote!(#(#errors)* #empty)
}
