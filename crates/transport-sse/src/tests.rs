//! The transport against a service that the test plays itself: requests in, responses and events
//! out, to the byte.

mod bench;
mod bodies;
mod calls;
mod ends;
mod opening;
mod refusals;
