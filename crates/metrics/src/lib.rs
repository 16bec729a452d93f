//! Names, types and guards of Standpipe's Prometheus metrics.
//!
//! [`Metrics`] is made once and passed down; there are no statics and no default registry. What
//! happens to one service is counted through its [`ServiceMetrics`], which is nothing but numbers:
//! their names and labels are written when somebody asks for them. What has a beginning and an end is
//! a guard: it counts when made and uncounts when dropped.

mod cells;
mod exposition;
mod families;
mod global;
mod guards;
mod labels;
mod service;
#[cfg(test)]
mod tests;

pub use global::Metrics;
pub use guards::{ChildUsage, InFlight, OpenConnection, OpenSession, OpenStream};
pub use labels::{
    Dropped, ExitReason, Outcome, Phase, QuestionRefusal, Refusal, Reload, Spans, StartOutcome,
    Transport, Wire,
};
pub use service::ServiceMetrics;
