//! Hot reload: the real binary, real files, real children.

#![cfg(target_os = "linux")]

mod hangup;
mod household;
mod limited;
mod outranked;
mod signalled;
mod support;
mod watched;
