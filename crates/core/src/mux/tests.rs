//! A fake child and fake clients around the table: the rules one by one, and then random histories.

mod calls;
mod cancel;
mod eras;
mod harness;
mod histories;
mod legacy_client;
mod levels;
mod listens;
mod mixed;
mod modern_client;
mod opening;
mod outgoing;
mod probes;
mod questions;
mod roles;
mod subscriptions;
