"""Which era meets which, and what two transcripts must have in common when they are not of the same.

Between equal eras a conversation through Standpipe is the same to the byte. Across eras it is the same but for what
one revision has and the other lacks: those members, and nothing else, are left out of both sides before they are
compared. What is left out is listed here, so that it is known how much the comparison says.
"""

import json
from typing import Any

from .clients import Client, named
from .servers import Command, Server, Step
from .transcript import Step as Outcome

# What 2026-07-28 added to every result, and to those of lists and reads.
ADDED = ("resultType", "ttlMs", "cacheScope")
SERVER_INFO = "io.modelcontextprotocol/serverInfo"

# The code of a resource that is not there, in either era.
CODES = {-32002: -32602}

# Methods that 2026-07-28 has no more.
REMOVED = ("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe")

# Capabilities that a bridge gives or takes, for good reason: it always has `logging` to offer to a legacy client,
# and never `tasks`, which are of another shape in each era.
BRIDGED_CAPABILITIES = ("logging", "tasks")


def steps_for(client: Client, server: Server, steps: list[Step]) -> list[Step]:
    """The steps that this client can take with this server at all."""
    taken = steps
    if client.era == "modern":
        # A call that names no tool has no header to say so, and does not get as far as the server.
        taken = [s for s in taken if s["method"] not in REMOVED and not s.get("messages") and not _is_nameless(s)]
    if client.era not in server.eras or len(server.eras) > 1:
        taken = [step for step in taken if not step.get("shows_metadata")]
    return taken


def _is_nameless(step: Step) -> bool:
    params = json.loads(step["raw"]) if "raw" in step else step.get("params", {})
    return step["method"] == "tools/call" and "name" not in params


def reference(client: Client, server: Server) -> tuple[Client, Server]:
    """Who holds the conversation directly: the client itself if the server speaks its era, else twins that can."""
    if client.era in server.eras:
        return client, server
    if client.era == "modern":
        return named(client.legacy_twin), server
    return client, server.legacy_twin


def is_across(client: Client, server: Server, sharing: str) -> bool:
    """Whether the child speaks another era than the client: one that can is opened modern, unless it is one client's own."""
    if client.era == "modern" or sharing == "shared":
        return client.era != ("modern" if "modern" in server.eras else "legacy")
    return client.era not in server.eras


def discovered(steps: list[Outcome]) -> list[Outcome]:
    """The steps of a modern client: what is discovered is partly Standpipe's to say, and so is compared by what it means."""
    return [Outcome(step.name, json.dumps(_common(step), ensure_ascii=False)) if step.name == "initialize" else step for step in steps]


def common(steps: list[Outcome]) -> list[Outcome]:
    """The steps without what only one era has; one SDK's servers order members differently in each, so they are sorted."""
    return [Outcome(step.name, json.dumps(_common(step), ensure_ascii=False, sort_keys=True)) for step in steps]


def _common(step: Outcome) -> Any:
    outcome = json.loads(step.text)
    # The raw clients give the text of these.
    result, error = (json.loads(v) if isinstance(v, str) else v for v in (outcome.get("result"), outcome.get("error")))
    if error is not None:
        code = CODES.get(error["code"], error["code"])
        # One SDK writes the code into the message as well.
        message = error["message"].replace(f"MCP error {error['code']}:", f"MCP error {code}:")
        # An error whose code was translated is written anew, and its members may have changed places.
        return {**outcome, "error": dict(sorted({**error, "code": code, "message": message}.items()))}
    if result is None:
        return outcome
    if step.name == "initialize":
        return _server(result)
    result = {name: value for name, value in result.items() if name not in ADDED}
    if step.name == "tools":
        # How a tool takes part in tasks, which are another thing in each era: one SDK drops it with them.
        result["tools"] = [{name: value for name, value in tool.items() if name != "execution"} for tool in result["tools"]]
    if "_meta" in result:
        result["_meta"] = {name: value for name, value in result["_meta"].items() if name != SERVER_INFO}
        if not result["_meta"]:
            del result["_meta"]
    return {**outcome, "result": result}


def _server(handshake: dict[str, Any]) -> dict[str, Any]:
    """What both a handshake and a discovery say of the server."""
    capabilities = {name: value for name, value in handshake["capabilities"].items() if name not in BRIDGED_CAPABILITIES}
    info = handshake.get("serverInfo") or handshake.get("_meta", {}).get(SERVER_INFO)
    return {
        "capabilities": json.dumps(capabilities, sort_keys=True),
        "serverInfo": json.dumps(info, sort_keys=True),
        "instructions": handshake.get("instructions"),
    }
