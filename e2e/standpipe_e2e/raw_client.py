"""MCP clients of the standard library alone, one per transport, which keep every answer's text as it came.

They hold a scripted conversation like the SDK drivers, but a step's outcome is the raw text of the answer's
`result` or `error` member, with that of the progress and log messages that belong to the call.
"""

import http.client
import json
import os
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any, Protocol

from .raw_json import members
from .servers import Command, Step
from .transcript import Step as Outcome

PROTOCOL_VERSION = "2025-11-25"
CAPABILITIES = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}}

# Nobody waits longer than this for an answer, in seconds.
DEADLINE = 60


class Link(Protocol):
    """One connection: messages go out as text, answers and what precedes them come back as text."""

    def exchange(self, message: str) -> Iterator[str]:
        """Sends a request; yields every message that comes until the caller stops."""

    def post(self, message: str) -> None:
        """Sends a notification or an answer."""

    def close(self) -> None: ...


class Stdio:
    """The server itself, as a child of ours."""

    def __init__(self, command: Command) -> None:
        # What Standpipe gives a child: little of our own environment, and what was configured.
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER")}
        self._process = subprocess.Popen(
            [command.program, *command.args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | command.env,
            cwd=command.cwd,
        )
        # A server that never answers is ended, so that reading from it ends too.
        self._deadline = threading.Timer(DEADLINE, self._process.kill)
        self._deadline.start()

    def exchange(self, message: str) -> Iterator[str]:
        self.post(message)
        for line in self._process.stdout:
            yield line.decode().rstrip("\r\n")
        raise ConnectionError("the server ended or took too long")

    def post(self, message: str) -> None:
        self._process.stdin.write(message.encode() + b"\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._deadline.cancel()
        self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class StreamableHttp:
    """Streamable HTTP: each request is a POST, answered as JSON or as an event stream."""

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._session: dict[str, str] = {}

    def exchange(self, message: str) -> Iterator[str]:
        connection, response = self._send("POST", message)
        try:
            if response.status != 200:
                raise ConnectionError(f"HTTP {response.status}: {response.read()[:300]!r}")
            if session := response.headers.get("Mcp-Session-Id"):
                self._session = {"Mcp-Session-Id": session, "MCP-Protocol-Version": PROTOCOL_VERSION}
            if response.headers.get_content_type() == "application/json":
                yield response.read().decode()
            else:
                yield from (data for _, data in events(response))
        finally:
            connection.close()
        raise ConnectionError("the response ended without an answer")

    def post(self, message: str) -> None:
        connection, response = self._send("POST", message)
        body = response.read()
        connection.close()
        if response.status != 202 or body:
            raise ConnectionError(f"HTTP {response.status} with {body[:300]!r} where an empty 202 belongs")

    def close(self) -> None:
        connection, response = self._send("DELETE", None)
        response.read()
        connection.close()
        if response.status not in (200, 204):
            raise ConnectionError(f"HTTP {response.status} to DELETE")

    def _send(self, method: str, body: str | None) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=DEADLINE)
        headers = {"Accept": "application/json, text/event-stream", **self._session}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, self._url.path, body.encode() if body is not None else None, headers)
        return connection, connection.getresponse()


class HttpSse:
    """HTTP+SSE of 2024-11-05: one event stream, and POSTs to the address it names."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._netloc = parts.netloc
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=DEADLINE)
        self._connection.request("GET", parts.path, headers={"Accept": "text/event-stream"})
        response = self._connection.getresponse()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status} to the event stream")
        self._events = events(response)
        kind, address = next(self._events)
        if kind != "endpoint":
            raise ConnectionError(f"the first event is {kind!r}, not `endpoint`")
        self._endpoint = urllib.parse.urljoin(url, address).split(parts.netloc, 1)[1]

    def exchange(self, message: str) -> Iterator[str]:
        self.post(message)
        for kind, data in self._events:
            if kind != "message":
                raise ConnectionError(f"an event {kind!r} where only `message` belongs")
            yield data
        raise ConnectionError("the event stream ended without an answer")

    def post(self, message: str) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=DEADLINE)
        connection.request("POST", self._endpoint, message.encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 202:
            raise ConnectionError(f"HTTP {response.status} with {body[:300]!r} where 202 belongs")

    def close(self) -> None:
        self._connection.close()


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
    """Event names and data of an event stream; comments and events without data are passed over."""
    kind, data = "message", []
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        if not line:
            if any(data):
                yield kind, "\n".join(data)
            kind, data = "message", []
        elif line.startswith("event:"):
            kind = line[6:].lstrip(" ")
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def converse(link: Link, script: dict[str, Any]) -> list[Outcome]:
    """Holds the conversation; the handshake's outcome comes first."""
    hello = {"protocolVersion": PROTOCOL_VERSION, "capabilities": CAPABILITIES, "clientInfo": {"name": "e2e-raw", "version": "1.0.0"}}
    outcomes = [_outcome(link, script, 0, {"name": "initialize", "method": "initialize", "params": hello})]
    link.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    for number, step in enumerate(script["steps"], start=1):
        outcomes.append(_outcome(link, script, number, step))
    return outcomes


def _outcome(link: Link, script: dict[str, Any], number: int, step: Step) -> Outcome:
    params = step.get("raw") or params_with_token(step)
    request = f'{{"jsonrpc":"2.0","id":{number},"method":{json.dumps(step["method"])},"params":{params}}}'
    noted: list[str] = []
    exchange = link.exchange(request)
    try:
        for text in exchange:
            message = members(text)
            if "method" in message and "id" in message:
                link.post(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{answer(script, message)}}}')
            elif "method" in message:
                method = json.loads(message["method"])
                if method == "notifications/progress" or (method == "notifications/message" and step.get("messages")):
                    noted.append(message["params"])
            elif message.get("id") == str(number):
                kind = "result" if "result" in message else "error"
                return Outcome(step["name"], json.dumps({kind: message[kind], "before": noted}, ensure_ascii=False))
    finally:
        exchange.close()
    raise ConnectionError(f"no answer to {step['name']}")


def params_with_token(step: Step) -> str:
    params = dict(step.get("params", {}))
    if "progress" in step:
        params["_meta"] = {"progressToken": f"token of {step['name']}"}
    return json.dumps(params)


def answer(script: dict[str, Any], question: dict[str, str]) -> str:
    """The raw result with which this client answers a question, given as raw members."""
    method, label = json.loads(question["method"]), script["label"]
    params = json.loads(question.get("params", "{}"))
    if method == "roots/list":
        return json.dumps({"roots": script["roots"]})
    if method == "elicitation/create":
        is_form = params.get("mode", "form") == "form"
        return json.dumps({"action": "accept", "content": {"name": label}} if is_form else {"action": "accept"})
    if method == "sampling/createMessage":
        text = params["messages"][-1]["content"]["text"]
        content = {"type": "text", "text": f"{label} heard: {text}"}
        return json.dumps({"model": f"model-of-{label}", "role": "assistant", "stopReason": "endTurn", "content": content})
    if method == "ping":
        return "{}"
    raise ConnectionError(f"the server asks {method}, which nothing declared")
