//! What stands in `#[migration(…)]`: read, or refused with what to write.
#![no_main]

#[expect(dead_code, reason = "the macro crate uses more of it")]
#[path = "../../agentos-migrate-macros/src/attr.rs"]
mod attr;
#[expect(dead_code, reason = "the macro crate uses more of it")]
#[path = "../../agentos-migrate-macros/src/keys.rs"]
mod keys;
#[path = "../../agentos-migrate-macros/src/near.rs"]
mod near;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(tokens) = text.parse::<proc_macro2::TokenStream>() else { return };
    let (_, errors) = attr::parse(tokens);
    assert!(errors.iter().all(|error| !error.to_string().is_empty()));
});
