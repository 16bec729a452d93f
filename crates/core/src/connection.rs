//! The boundary between a transport and a child: pairs of bounded channel ends, instead of a trait.
//!
//! - [`Gate`] / [`GateKeeper`]: the way to a service. A transport passes it to get an [`Inbox`]; the
//!   service's supervisor opens and closes it. A closed gate is a demand to start.
//! - [`Inbox`] / [`Deliveries`]: what goes to one instance of the service, bounded in number and
//!   bytes, with a fair share for each session.
//! - [`Outlet`] / [`Intake`]: what comes back on one stream. Writing to it never waits: a reader
//!   that does not read loses its own stream.
//! - [`Session`]: what both sides know of one legacy client, or of one modern request.
//!
//! Must not know of HTTP or of processes. Nothing in here spawns a task.

mod gate;
mod inbox;
mod outlet;
mod profile;
mod session;
#[cfg(test)]
mod tests;

pub use gate::{Gate, GateKeeper, GateSettings, GateState, gate};
pub use inbox::{Deliveries, Inbox, InboxLimits, Input, Slot, inbox};
pub use outlet::{Delivery, Intake, Lagged, Outlet, OutletLimits, Undelivered, outlet};
pub use profile::SessionProfile;
pub(crate) use session::Listening;
pub use session::Session;
