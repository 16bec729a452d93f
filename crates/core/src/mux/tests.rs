//! A fake child and fake clients around the table: the rules one by one, and then random histories.

mod calls;
mod cancel;
mod harness;
mod histories;
mod levels;
mod probes;
mod questions;
mod roles;
mod subscriptions;
