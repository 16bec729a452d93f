//! The control plane: the real binary, its real sockets, real children.

#![cfg(target_os = "linux")]

mod commands;
mod document;
mod doors;
mod household;
mod logs;
mod origin;
mod servers;
mod support;
mod tour;
