//! Tables changed for real: each test is a database, a change, and all that has to be there after.

mod behaviour;
mod edits;
mod facts;
mod matrix;
mod native;
mod property;
mod real;
mod refusals;
mod support;
