//! Small answers in one piece.
//!
//! Owns how what is written reaches the socket. It must not know what is written. It exists because
//! the kernel takes longer over the head and the body of a small answer in two pieces than we do over
//! putting them together.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use smallvec::SmallVec;

/// Up to this size what is written is put together, in bytes.
const SMALL: usize = 1024;

/// A connection's socket.
pub(super) struct Joined<S>(pub(super) S);

impl<S: Read + Unpin> Read for Joined<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for Joined<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if pieces.len() < 2 || length > SMALL {
            return Pin::new(&mut self.0).poll_write_vectored(cx, pieces);
        }
        let mut whole = SmallVec::<[u8; SMALL]>::new();
        for piece in pieces {
            whole.extend_from_slice(piece);
        }
        Pin::new(&mut self.0).poll_write(cx, &whole)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWrite};

    use super::*;

    /// Counts what is written, and how.
    #[derive(Default)]
    struct Counted {
        written: Vec<u8>,
        whole: usize,
        in_pieces: usize,
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.whole += 1;
            self.written.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.in_pieces += 1;
            self.written.extend(pieces.iter().flat_map(|piece| piece.iter()));
            Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn write<S: Write + Unpin>(joined: &mut Joined<S>, pieces: &[&[u8]]) -> usize {
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        poll_fn(|cx| Pin::new(&mut *joined).poll_write_vectored(cx, &slices))
            .await
            .expect("it is written")
    }

    #[tokio::test]
    async fn what_is_small_goes_whole_and_what_is_large_in_pieces() {
        let mut joined = Joined(TokioIo::new(Counted::default()));
        assert_eq!(write(&mut joined, &[b"head ", b"body ", b"tail"]).await, 14);
        let large = vec![b'x'; SMALL];
        assert_eq!(write(&mut joined, &[b"head ", &large]).await, SMALL + 5);
        let seen = joined.0.inner();
        assert_eq!((seen.whole, seen.in_pieces), (1, 1));
        let expected = [b"head body tailhead ".as_slice(), &large].concat();
        assert_eq!(seen.written, expected);
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_not_said_to_be_written() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut joined = Joined(TokioIo::new(near));
        assert_eq!(write(&mut joined, &[b"head ", b"body "]).await, 8);
        let mut got = [0; 8];
        far.read_exact(&mut got).await.expect("it is read");
        assert_eq!(&got, b"head bod");
    }
}
