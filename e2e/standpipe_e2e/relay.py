"""A transparent TCP relay before Standpipe that keeps every byte which passes.

It understands nothing of what it passes on, so that it cannot change it; `recording` reads it afterwards.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

CHUNK = 64 * 1024


class Connection:
    """One connection's bytes, in both directions."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.received = bytearray()


@contextlib.contextmanager
def before(host: str, port: int) -> Iterator[tuple[str, list[Connection]]]:
    """Relays from an address of our own, given as `host:port`, for the length of the block."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    kept: list[Connection] = []
    threading.Thread(target=_accept, args=(listener, (host, port), kept), daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", kept
    finally:
        # Wakes the thread that accepts; closing alone would leave it waiting.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, target: tuple[str, int], kept: list[Connection]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(target)
        except OSError:
            client.close()
            continue
        connection = Connection()
        kept.append(connection)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink, record in ((client, server, connection.sent), (server, client, connection.received)):
            threading.Thread(target=_pump, args=(source, sink, record), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, record: bytearray) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK):
            record += chunk
            sink.sendall(chunk)
    # The end of one side is the end of both: nobody here keeps half of a connection.
    for one in (sink, source):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
