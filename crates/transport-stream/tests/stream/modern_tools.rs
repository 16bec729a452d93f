//! Arguments in headers.
