//! One connection: bytes out, answers in.
//!
//! Owns a socket and its two buffers. Must not know what is said on it. It blocks while a session
//! is opened, and never once load runs.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::http::{Head, Incoming, broken};
use super::target::Target;

/// How long one answer may take while a session is opened.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) incoming: Incoming,
}

impl Connection {
    /// Connects, and blocks from then on.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, incoming: Incoming::default() })
    }

    /// Never blocks from then on.
    pub(super) fn unblock(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)
    }

    /// Blocks from then on.
    pub(super) fn block(&self) -> io::Result<()> {
        self.stream.set_nonblocking(false)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Sends a request and waits for its whole answer.
    pub(super) fn exchange(&mut self, request: &[u8]) -> io::Result<(Head, Vec<u8>)> {
        self.stream.write_all(request)?;
        loop {
            if let Some((head, body)) = self.incoming.whole()? {
                return Ok((head, body.to_vec()));
            }
            self.read()?;
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) fn begin(&mut self, request: &[u8]) -> io::Result<Head> {
        self.stream.write_all(request)?;
        loop {
            if let Some(head) = self.incoming.opened()? {
                return Ok(head.clone());
            }
            self.read()?;
        }
    }

    /// Waits for the next event that has data, and gives that.
    pub(super) fn event(&mut self) -> io::Result<Vec<u8>> {
        loop {
            while let Some(event) = self.incoming.event()? {
                if !event.data.is_empty() {
                    return Ok(event.data.to_vec());
                }
            }
            self.read()?;
        }
    }

    /// Reads once. The other side's end is an error: nobody here waits for one.
    pub(super) fn read(&mut self) -> io::Result<()> {
        match self.stream.read(self.incoming.room()) {
            Ok(0) => Err(broken("the server closed the connection")),
            Ok(count) => {
                self.incoming.filled(count);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes as much as there is room for, and says how much that was.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(0)
            }
            other => other,
        }
    }
}
