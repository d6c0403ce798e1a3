//! The real engine under crashes and faults, below all that SQLite and the engine write.

mod crashes;
mod faults;
mod moved;
mod programs;
mod recreation;
mod world;
