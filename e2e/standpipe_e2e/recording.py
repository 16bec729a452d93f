"""Reads what Standpipe emitted out of recorded bytes: towards clients from HTTP, towards children from stdin.

Each message is given with the revision that it was for and, where it is an answer, the method it answers, so that
the right part of a schema can be held against it. Reading is forgiving: a connection may end in the middle of
anything, and what is not whole is not looked at.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .relay import Connection

MODERN = "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"

# What a child's question was, told by the answer: the questions themselves are not recorded.
ANSWERS = {"roots": "roots/list", "action": "elicitation/create", "model": "sampling/createMessage"}

Message = dict[str, Any]


@dataclass
class Exchange:
    """One HTTP request and its response, as far as they came."""

    target: str
    request_headers: dict[str, str]
    request: list[Message]
    headers: dict[str, str] = field(default_factory=dict)
    response: list[Message] = field(default_factory=list)
    endpoint: str | None = None

    def session(self) -> str | None:
        """What this exchange shares with others of the same session."""
        if self.endpoint is not None:
            return self.endpoint
        if "?" in self.target:
            return self.target
        return self.headers.get("mcp-session-id") or self.request_headers.get("mcp-session-id")


def from_and_to_clients(connections: Iterable[Connection]) -> Iterator[Message]:
    """Every message that clients sent, and every one that Standpipe sent to them."""
    exchanges = [exchange for connection in connections for exchange in _exchanges(connection)]
    asked: dict[str | None, dict[str, str]] = {}
    versions: dict[str | None, str] = {}
    for exchange in exchanges:
        for message in exchange.request:
            if "method" in message and "id" in message:
                asked.setdefault(exchange.session(), {})[_key(message)] = message["method"]
    for exchange in exchanges:
        for message in exchange.response:
            version = message.get("result", {}).get("protocolVersion") if isinstance(message.get("result"), dict) else None
            if version is not None:
                versions[exchange.session()] = version
    for exchange in exchanges:
        mine = {_key(m): m["method"] for m in exchange.request if "method" in m and "id" in m}
        header = exchange.request_headers.get("mcp-protocol-version", "")
        modern = header >= MODERN or any(VERSION_KEY in _meta(m) for m in exchange.request)
        revision = MODERN if modern else versions.get(exchange.session())
        if revision is None:
            # Refused before there was a session; every revision has the same error.
            revision = "2025-11-25"
        for message in exchange.request:
            yield {"by": "client", "revision": revision, "answers": None, "message": message}
        for message in exchange.response:
            method = mine.get(_key(message)) or asked.get(exchange.session(), {}).get(_key(message))
            yield {"by": "standpipe", "revision": revision, "answers": method, "message": message}


def to_children(folder: Path) -> Iterator[Message]:
    """Every message that Standpipe wrote to a child; each file is the standard input of one process."""
    for file in sorted(folder.glob("stdin.*")):
        lines = file.read_bytes().split(b"\n")
        # The last one is empty, or was cut off by the end of the process.
        messages = [json.loads(line) for line in lines[:-1] if line]
        opened = [m["params"]["protocolVersion"] for m in messages if m.get("method") == "initialize"]
        for message in messages:
            modern = VERSION_KEY in _meta(message) or not opened
            method = None
            if isinstance(message.get("result"), dict):
                method = next((m for name, m in ANSWERS.items() if name in message["result"]), "ping")
            yield {"by": "standpipe", "revision": MODERN if modern else opened[-1], "answers": method, "message": message}


def _meta(message: Message) -> dict[str, Any]:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def _key(message: Message) -> str:
    return json.dumps(message.get("id"))


def _exchanges(connection: Connection) -> Iterator[Exchange]:
    requests = list(_requests(bytes(connection.sent)))
    rest = bytes(connection.received)
    for target, headers, body in requests:
        exchange = Exchange(target, headers, _messages(body))
        head, rest = _head(rest)
        if head is None:
            yield exchange
            return
        exchange.headers = head[1]
        status = int(head[0].split(" ")[1])
        content, rest = _body(exchange.headers, rest, to_the_end=status not in (202, 204))
        if exchange.headers.get("content-type", "").startswith("text/event-stream"):
            for kind, data in _events(content):
                if kind == "endpoint":
                    exchange.endpoint = data
                else:
                    exchange.response += _messages(data.encode())
        else:
            exchange.response = _messages(content)
        yield exchange


def _requests(data: bytes) -> Iterator[tuple[str, dict[str, str], bytes]]:
    while True:
        head, data = _head(data)
        if head is None:
            return
        body, data = _body(head[1], data, to_the_end=False)
        yield head[0].split(" ")[1], head[1], body


def _head(data: bytes) -> tuple[tuple[str, dict[str, str]] | None, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None, b""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return (first, {name.strip().lower(): value.strip() for name, _, value in pairs}), rest


def _body(headers: dict[str, str], data: bytes, *, to_the_end: bool) -> tuple[bytes, bytes]:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(data)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return data[:length], data[length:]
    return (data, b"") if to_the_end else (b"", data)


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    whole = bytearray()
    while True:
        size, end, rest = data.partition(b"\r\n")
        if not end:
            return bytes(whole), b""
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return bytes(whole), rest.partition(b"\r\n")[2]
        whole += rest[:length]
        data = rest[length + 2 :]


def _events(content: bytes) -> Iterator[tuple[str, str]]:
    # What follows the last blank line is an event that did not come whole.
    for block in content.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        kind, data = "message", []
        for line in block.decode().split("\n"):
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if any(data):
            yield kind, "\n".join(data)


def _messages(body: bytes) -> list[Message]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return []
    every = parsed if isinstance(parsed, list) else [parsed]
    return [message for message in every if isinstance(message, dict) and message.get("jsonrpc") == "2.0"]
