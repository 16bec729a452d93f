//! Traces and logs of the real binary: what a collector gets, what a child is told, what a log line
//! says.

#![cfg(target_os = "linux")]

mod collector;
mod dead;
mod exported;
mod lines;
mod support;
