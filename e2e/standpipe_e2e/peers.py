"""Two small clients with the same face, one per era, for probes of what gets through.

Unlike the scripted clients they can do several things at once: watch for changes while they call, and give a call
up. They answer whatever they are asked.
"""

import http.client
import itertools
import json
import queue
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import raw_client, raw_modern

# Nobody waits longer than this for anything, in seconds.
DEADLINE = 30

ROOTS = [{"uri": "file:///home/peer", "name": "peer"}]
SCRIPT = {"label": "peer", "roots": ROOTS}
LISTS = ("tools", "prompts", "resources")


@dataclass
class Answer:
    """What came of a call."""

    result: dict[str, Any] | None
    error: dict[str, Any] | None
    status: int
    # Notifications that came before the answer.
    notes: list[dict[str, Any]] = field(default_factory=list)
    # What was asked meanwhile: the name of the question, if it had one, and its method.
    asked: list[tuple[str | None, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything that the answer says, for a look at a part of it."""
        return json.dumps(self.result if self.error is None else self.error, ensure_ascii=False)


class Peer:
    """What both have: numbers for requests, and a place for what is announced."""

    capabilities: dict[str, Any] = raw_client.CAPABILITIES

    def __init__(self, url: str, *, mute: bool = False) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._number = 0
        self._announced: queue.Queue[dict[str, Any]] = queue.Queue()
        self._watching: list[http.client.HTTPConnection] = []
        if mute:
            self.capabilities = {}

    def announced(self, method: str) -> dict[str, Any] | None:
        """Waits for a notification of this method; None when none has come in time."""
        end = time.monotonic() + DEADLINE
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._announced.get(timeout=left)
            except queue.Empty:
                return None
            if message.get("method") == method:
                return message
        return None

    def close(self) -> None:
        for connection in self._watching:
            _hang_up(connection)

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        return {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}

    def _send(self, verb: str, message: dict[str, Any] | None, headers: dict[str, str]) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._begin(verb, message, headers)
        return connection, connection.getresponse()

    def _begin(self, verb: str, message: dict[str, Any] | None, headers: dict[str, str]) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=DEADLINE)
        accept = {"Accept": "application/json, text/event-stream" if message is not None else "text/event-stream"}
        body = None
        if message is not None:
            body, accept["Content-Type"] = json.dumps(message).encode(), "application/json"
        connection.request(verb, self._url.path, body, accept | headers)
        return connection

    def _watch(self, connection: http.client.HTTPConnection, messages: Iterator[dict[str, Any]]) -> None:
        def read() -> None:
            # However the stream ends, what came before has been noted.
            try:
                for message in messages:
                    self._announced.put(message)
            except (OSError, http.client.HTTPException, ValueError, AttributeError):
                return

        self._watching.append(connection)
        threading.Thread(target=read, daemon=True).start()


class LegacyPeer(Peer):
    """A client of 2025-11-25 on Streamable HTTP."""

    era = "legacy"

    def __init__(self, url: str, *, mute: bool = False) -> None:
        super().__init__(url, mute=mute)
        self._headers: dict[str, str] = {}
        hello = {"protocolVersion": "2025-11-25", "capabilities": self.capabilities, "clientInfo": {"name": "peer", "version": "1"}}
        connection, response = self._send("POST", self._request("initialize", hello), {})
        self.server = next(m for m in _messages(response) if "result" in m)["result"]
        self._headers = {"Mcp-Session-Id": response.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
        connection.close()
        self._tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, method: str, params: dict[str, Any] | None = None, *, token: str | None = None) -> Answer:
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        request = self._request(method, {**(params or {}), **meta})
        connection, response = self._send("POST", request, self._headers)
        notes, asked = [], []
        try:
            for message in _messages(response):
                if "method" in message and "id" in message:
                    asked.append((None, message["method"]))
                    self._tell({"jsonrpc": "2.0", "id": message["id"], "result": _reply(message)})
                elif "method" in message:
                    notes.append(message)
                elif message["id"] == request["id"]:
                    return Answer(message.get("result"), message.get("error"), response.status, notes, asked)
        finally:
            connection.close()
        raise ConnectionError(f"no answer to {method}: HTTP {response.status}")

    def call_logged(self, level: str, name: str, arguments: dict[str, Any]) -> Answer:
        """Calls a tool and wants log messages of this level and above."""
        self.call("logging/setLevel", {"level": level})
        return self.call("tools/call", {"name": name, "arguments": arguments})

    def give_up(self, name: str, arguments: dict[str, Any]) -> None:
        """Calls a tool and cancels the call at once."""
        request = self._request("tools/call", {"name": name, "arguments": arguments})
        thread = threading.Thread(target=self._abandoned, args=(request,), daemon=True)
        thread.start()
        # Until it is open there is nothing to cancel, and a cancellation does no harm.
        cancel = {"requestId": request["id"], "reason": "enough"}
        end = time.monotonic() + DEADLINE
        while thread.is_alive() and time.monotonic() < end:
            self._tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel})
            thread.join(0.2)
            if name_of_cancelled(self, arguments["label"]):
                return

    def watch(self, *, uri: str | None = None) -> None:
        """Listens for changes of lists, and of this resource."""
        connection, response = self._send("GET", None, self._headers)
        self._watch(connection, _messages(response))
        if uri is not None:
            self.call("resources/subscribe", {"uri": uri})

    def close(self) -> None:
        super().close()
        connection, response = self._send("DELETE", None, self._headers)
        response.read()
        connection.close()

    def _abandoned(self, request: dict[str, Any]) -> None:
        connection, response = self._send("POST", request, self._headers)
        response.read()
        connection.close()

    def _tell(self, message: dict[str, Any]) -> None:
        connection, response = self._send("POST", message, self._headers)
        response.read()
        connection.close()


class ModernPeer(Peer):
    """A client of 2026-07-28."""

    era = "modern"

    def __init__(self, url: str, *, mute: bool = False) -> None:
        super().__init__(url, mute=mute)
        self.server = self.call("server/discover").result

    def call(self, method: str, params: dict[str, Any] | None = None, *, token: str | None = None, level: str | None = None) -> Answer:
        more: dict[str, Any] = {}
        notes: list[dict[str, Any]] = []
        asked: list[tuple[str | None, str]] = []
        for _ in range(raw_modern.MOST_ROUNDS):
            answer = self._round(method, {**(params or {}), **more}, token, level)
            notes += answer.notes
            if answer.result is None or answer.result.get("resultType") != "input_required":
                return Answer(answer.result, answer.error, answer.status, notes, asked)
            questions = answer.result.get("inputRequests", {})
            asked += [(name, question["method"]) for name, question in questions.items()]
            more = {"inputResponses": {name: _reply(question) for name, question in questions.items()}}
            if "requestState" in answer.result:
                more["requestState"] = answer.result["requestState"]
        raise ConnectionError(f"{method} asks without end")

    def call_logged(self, level: str, name: str, arguments: dict[str, Any]) -> Answer:
        """Calls a tool and wants log messages of this level and above."""
        return self.call("tools/call", {"name": name, "arguments": arguments}, level=level)

    def give_up(self, name: str, arguments: dict[str, Any]) -> None:
        """Calls a tool and disconnects, which cancels the call."""
        request = self._enveloped("tools/call", {"name": name, "arguments": arguments}, None, None)
        before = self._calls_received()
        connection = self._begin("POST", request, self._headers(request))
        # Each look is a call as well.
        looks = itertools.count(1)
        wait_for(lambda: self._calls_received() > before + next(looks))
        _hang_up(connection)

    def _calls_received(self) -> int:
        counters = self.call("tools/call", {"name": "counters", "arguments": {}}).result["structuredContent"]
        return counters["tools/call"]

    def watch(self, *, uri: str | None = None) -> None:
        """Listens for changes of lists, and of this resource; returns when that is acknowledged."""
        wanted: dict[str, Any] = {f"{name}ListChanged": True for name in LISTS}
        if uri is not None:
            wanted["resourceSubscriptions"] = [uri]
        request = self._enveloped("subscriptions/listen", {"notifications": wanted}, None, None)
        connection, response = self._send("POST", request, self._headers(request))
        self._watch(connection, _messages(response))
        if self.announced("notifications/subscriptions/acknowledged") is None:
            raise ConnectionError("the subscription was not acknowledged")

    def _round(self, method: str, params: dict[str, Any], token: str | None, level: str | None) -> Answer:
        request = self._enveloped(method, params, token, level)
        connection, response = self._send("POST", request, self._headers(request))
        notes = []
        try:
            for message in _messages(response):
                if "method" in message:
                    notes.append(message)
                elif message["id"] == request["id"]:
                    return Answer(message.get("result"), message.get("error"), response.status, notes)
        finally:
            connection.close()
        raise ConnectionError(f"no answer to {method}: HTTP {response.status}")

    def _enveloped(self, method: str, params: dict[str, Any], token: str | None, level: str | None) -> dict[str, Any]:
        meta = {**raw_modern.META, "io.modelcontextprotocol/clientCapabilities": self.capabilities}
        if token is not None:
            meta["progressToken"] = token
        if level is not None:
            meta["io.modelcontextprotocol/logLevel"] = level
        return self._request(method, {**params, "_meta": {**params.get("_meta", {}), **meta}})

    def _headers(self, request: dict[str, Any]) -> dict[str, str]:
        headers = {"MCP-Protocol-Version": raw_modern.VERSION, "Mcp-Method": request["method"]}
        if name := request["params"].get(raw_modern.NAMED.get(request["method"], "")):
            headers["Mcp-Name"] = name
        return headers


def name_of_cancelled(peer: Any, label: str) -> bool:
    """Whether the fixture knows that the slow call of this label was cancelled."""
    return label in peer.call("tools/call", {"name": "cancelled_calls", "arguments": {}}).text


def wait_for(condition: Any) -> bool:
    """Asks until the answer is yes, for as long as anyone waits here."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _reply(question: dict[str, Any]) -> dict[str, Any]:
    members = {"method": json.dumps(question["method"]), "params": json.dumps(question.get("params", {}))}
    return json.loads(raw_client.answer(SCRIPT, members))


def _messages(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    if response.headers.get_content_type() == "text/event-stream":
        yield from (json.loads(data) for _, data in raw_client.events(response))
    else:
        body = response.read()
        if body:
            yield json.loads(body)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        # Only this wakes a thread that reads from it.
        try:
            connection.sock.shutdown(2)
        except OSError:
            return
