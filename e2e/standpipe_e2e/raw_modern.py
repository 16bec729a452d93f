"""The raw client of 2026-07-28: no handshake, metadata on every request, rounds instead of questions.

Like `raw_client`, it keeps every answer's text as it came. What an `input_required` result asks for is answered in a
further request; the outcome of a step is that of its last round.
"""

import base64
import http.client
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

from .raw_client import CAPABILITIES, DEADLINE, Link, answer, events, params_with_token
from .raw_json import members
from .servers import Step
from .transcript import Step as Outcome

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    "io.modelcontextprotocol/clientInfo": {"name": "e2e-raw", "version": "1.0.0"},
}
# The parameter that a header repeats, by method.
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

# A server that asks more often than this is not going to stop.
MOST_ROUNDS = 8


class ModernHttp:
    """Streamable HTTP without sessions."""

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)

    def exchange(self, message: str) -> Iterator[str]:
        request = json.loads(message)
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": request["method"],
        }
        name = request["params"].get(NAMED.get(request["method"], ""))
        if isinstance(name, str):
            headers["Mcp-Name"] = name if name.isascii() else f"=?base64?{base64.b64encode(name.encode()).decode()}?="
        connection = http.client.HTTPConnection(self._url.netloc, timeout=DEADLINE)
        try:
            connection.request("POST", self._url.path, message.encode(), headers)
            response = connection.getresponse()
            if "Mcp-Session-Id" in response.headers:
                raise ConnectionError("a session where there is none")
            if response.headers.get_content_type() == "application/json":
                yield response.read().decode()
            elif response.status == 200:
                yield from (data for _, data in events(response))
            else:
                raise ConnectionError(f"HTTP {response.status}: {response.read()[:300]!r}")
        finally:
            connection.close()
        raise ConnectionError("the response ended without an answer")

    def post(self, message: str) -> None:
        raise ConnectionError(f"nothing but requests is sent, and this is none: {message[:300]}")

    def close(self) -> None:
        pass


def converse(link: Link, script: dict[str, Any]) -> list[Outcome]:
    """Holds the conversation; what was discovered comes first."""
    steps = [{"name": "initialize", "method": "server/discover"}, *script["steps"]]
    # Room for the ids of further rounds.
    return [_outcome(link, script, number * (MOST_ROUNDS + 1), step) for number, step in enumerate(steps)]


def _outcome(link: Link, script: dict[str, Any], number: int, step: Step) -> Outcome:
    noted: list[str] = []
    more = ""
    for further in range(MOST_ROUNDS):
        answered = _round(link, number + further, step, more, noted)
        kind = "result" if "result" in answered else "error"
        if kind == "error":
            break
        result = members(answered["result"])
        if result.get("resultType") != '"input_required"':
            break
        questions = {key: members(raw) for key, raw in members(result.get("inputRequests", "{}")).items()}
        answers = ",".join(f"{json.dumps(key)}:{answer(script, question)}" for key, question in questions.items())
        more = f',"inputResponses":{{{answers}}}'
        if "requestState" in result:
            more += f',"requestState":{result["requestState"]}'
    else:
        raise ConnectionError(f"{step['name']} asks without end")
    return Outcome(step["name"], json.dumps({kind: answered[kind], "before": noted}, ensure_ascii=False))


def _round(link: Link, number: int, step: Step, more: str, noted: list[str]) -> dict[str, str]:
    params = _with_meta(step.get("raw") or params_with_token(step))
    request = f'{{"jsonrpc":"2.0","id":{number},"method":{json.dumps(step["method"])},"params":{params[:-1]}{more}}}}}'
    exchange = link.exchange(request)
    try:
        for text in exchange:
            message = members(text)
            if "method" in message:
                if "id" in message:
                    raise ConnectionError(f"a request where there is none: {text[:300]}")
                if json.loads(message["method"]) == "notifications/progress":
                    noted.append(message["params"])
            elif message.get("id") == str(number):
                return message
    finally:
        exchange.close()
    raise ConnectionError(f"no answer to {step['name']}")


def _with_meta(params: str) -> str:
    """The raw parameters with our metadata in them, and everything else as it was."""
    own = json.dumps(META)[1:-1]
    if "_meta" in members(params):
        before, found, after = params.partition('"_meta": {' if '"_meta": {' in params else '"_meta":{')
        if not found:
            raise ValueError(f"metadata of another shape: {params}")
        return f"{before}{found}{own},{after}"
    rest = params[1:]
    return f'{{"_meta":{{{own}}}{"" if rest.strip() == "}" else ","}{rest}'
