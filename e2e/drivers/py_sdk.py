"""Runs a script with the official Python SDK: `mcp` 1.x and 2.x, whichever is installed.

Version 2 renamed the fields of its models to snake case, moved to `Client` and picks the era itself; here it is
held to the revisions that open with `initialize`, or with `--era modern` has to find 2026-07-28. The transcript has
the names of the wire.
"""

import argparse
import json
import os
import sys
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

import anyio
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

IS_VERSION_2 = version("mcp").startswith("2.")

if IS_VERSION_2:
    import mcp_types as types
    from mcp.client import Client
    from mcp.shared.exceptions import MCPError
else:
    from mcp import types
    from mcp.client.session import ClientSession
    from mcp.shared.exceptions import McpError as MCPError


def write(line: dict[str, Any]) -> None:
    print(json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")), flush=True)


def dump(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Answers:
    """What the person and the model behind this client answer; the label makes it theirs."""

    def __init__(self, script: dict[str, Any]) -> None:
        self.label = script["label"]
        self.declines = script.get("declines", False)
        self.root_list = script["roots"]

    async def sampling(self, _context: Any, params: Any) -> Any:
        content = params.messages[-1].content
        block = content[-1] if isinstance(content, list) else content
        return types.CreateMessageResult.model_validate(
            {
                "model": f"model-of-{self.label}",
                "role": "assistant",
                "stopReason": "endTurn",
                "content": {"type": "text", "text": f"{self.label} heard: {block.text}"},
            }
        )

    async def elicitation(self, _context: Any, params: Any) -> Any:
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        if self.declines:
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content={"name": self.label})

    async def roots(self, _context: Any) -> Any:
        return types.ListRootsResult.model_validate({"roots": self.root_list})


def transport_of(kind: str, target: dict[str, Any]) -> Any:
    if kind == "stdio":
        return stdio_client(StdioServerParameters(**target), errlog=open(os.devnull, "w"))
    if kind == "sse":
        return sse_client(target["url"])
    return streamable_http_client(target["url"])


async def connect(stack: AsyncExitStack, transport: Any, answers: Answers, era: str) -> tuple[Any, Any]:
    callbacks = {
        "sampling_callback": answers.sampling,
        "elicitation_callback": answers.elicitation,
        "list_roots_callback": answers.roots,
    }
    if IS_VERSION_2 and era == "modern":
        client = await stack.enter_async_context(Client(transport, mode="auto", cache=None, **callbacks))
        if client.protocol_version != "2026-07-28":
            raise RuntimeError(f"{client.protocol_version} was found, not 2026-07-28")
        # There is no handshake to record: this is what the client has made of `server/discover`.
        found = {
            "protocolVersion": client.protocol_version,
            "capabilities": dump(client.server_capabilities),
            "serverInfo": dump(client.server_info),
            "instructions": client.instructions,
        }
        return client, {name: value for name, value in found.items() if value is not None}
    if IS_VERSION_2:
        client = await stack.enter_async_context(Client(transport, mode="legacy", cache=None, **callbacks))
        return client, dump(client.session.initialize_result)
    streams = await stack.enter_async_context(transport)
    session = await stack.enter_async_context(ClientSession(streams[0], streams[1], **callbacks))
    return session, dump(await session.initialize())


async def call(client: Any, method: str, params: dict[str, Any], on_progress: Any) -> Any:
    if method == "tools/call":
        return await client.call_tool(params["name"], params.get("arguments"), progress_callback=on_progress)
    if method == "prompts/get":
        return await client.get_prompt(params["name"], params.get("arguments"))
    if method == "resources/read":
        return await client.read_resource(params["uri"])
    if method == "resources/subscribe":
        return await client.subscribe_resource(params["uri"])
    if method == "resources/unsubscribe":
        return await client.unsubscribe_resource(params["uri"])
    if method == "completion/complete":
        reference = params["ref"]
        kind = types.PromptReference if reference["type"] == "ref/prompt" else types.ResourceTemplateReference
        context = params.get("context", {}).get("arguments")
        return await client.complete(kind.model_validate(reference), params["argument"], context)
    if method == "logging/setLevel":
        return await client.set_logging_level(params["level"])
    without_params = {
        "tools/list": "list_tools",
        "resources/list": "list_resources",
        "resources/templates/list": "list_resource_templates",
        "prompts/list": "list_prompts",
        "ping": "send_ping",
    }
    return await getattr(client, without_params[method])()


async def outcome_of(client: Any, step: dict[str, Any]) -> dict[str, Any]:
    progress: list[dict[str, Any]] = []

    async def on_progress(value: float, total: float | None, message: str | None) -> None:
        progress.append({"progress": value, "total": total, "message": message})

    wanted = step.get("progress", False)
    try:
        result = await call(client, step["method"], step.get("params", {}), on_progress if wanted else None)
        outcome: dict[str, Any] = {"result": dump(result)}
    except MCPError as error:
        outcome = {"error": dump(error.error)}
    except Exception as error:  # What the SDK itself objects to belongs to the transcript as well.
        outcome = {"exception": f"{type(error).__name__}: {error}"}
    if not wanted:
        return outcome
    # An SDK may drop progress that it reads together with the answer, and how much that is depends on the
    # machine's load; so what came is judged here. The raw client of these suites compares every notification.
    rising = all(one["progress"] < other["progress"] for one, other in zip(progress, progress[1:]))
    return {**outcome, "progress": "rising" if progress and rising else progress}


async def run(kind: str, target: dict[str, Any], script: dict[str, Any], era: str) -> None:
    async with AsyncExitStack() as stack:
        client, handshake = await connect(stack, transport_of(kind, target), Answers(script), era)
        write({"step": "initialize", "result": handshake})
        for step in script["steps"]:
            write({"step": step["name"], **await outcome_of(client, step)})
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", "http", "sse"], required=True)
    parser.add_argument("--connect", required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("--era", choices=["legacy", "modern"], default="legacy")
    arguments = parser.parse_args()
    with open(arguments.script, encoding="utf-8") as file:
        script = json.load(file)
    anyio.run(run, arguments.transport, json.loads(arguments.connect), script, arguments.era)


if __name__ == "__main__":
    main()
