//! End to end: the real binary before real children, seen from outside over HTTP.
//!
//! One program for all of these tests, so that those which measure time or memory can run alone.

mod bad_headers;
mod bad_input;
mod cold;
mod crossed;
mod death;
mod draining;
mod isolation;
mod limits;
mod metrics;
mod modern;
mod nasty;
mod rmcp;
mod support;
mod survivors;
