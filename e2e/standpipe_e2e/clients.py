"""The clients: official SDKs run by a driver process each, and the raw one of our own in this process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environment, raw_client, raw_modern, transcript
from .servers import Command

DRIVERS = Path(__file__).resolve().parent.parent / "drivers"

# A driver that takes longer is stuck, in seconds.
DRIVER_DEADLINE = 150


class DriverFailed(Exception):
    """A driver ended badly or not at all; the text says how."""


@dataclass(frozen=True)
class Client:
    """A client, by the transports it can speak through Standpipe."""

    name: str
    transports: tuple[str, ...]
    # The argument vector of its driver; None for the raw client.
    driver: Callable[[], list[str]] | None
    # The name of the same client in the era before, for one of 2026-07-28.
    legacy_twin: str | None = None

    @property
    def era(self) -> str:
        return "legacy" if self.legacy_twin is None else "modern"


def all_clients() -> list[Client]:
    both = ("http", "sse")
    return [
        Client("raw", both, None),
        Client("ts-sdk-1", both, lambda: [str(environment.node()), str(DRIVERS / "ts_sdk_v1.mjs")]),
        Client("ts-sdk-2", both, lambda: [str(environment.node()), str(DRIVERS / "ts_sdk_v2.mjs")]),
        Client("py-sdk-1", both, lambda: [str(environment.python(1)), str(DRIVERS / "py_sdk.py")]),
        Client("py-sdk-2", both, lambda: [str(environment.python(2)), str(DRIVERS / "py_sdk.py")]),
        Client("raw-modern", ("http",), None, "raw"),
        Client("ts-sdk-2-modern", ("http",), lambda: [str(environment.node()), str(DRIVERS / "ts_sdk_v2.mjs"), "--era", "modern"], "ts-sdk-2"),
        Client("py-sdk-2-modern", ("http",), lambda: [str(environment.python(2)), str(DRIVERS / "py_sdk.py"), "--era", "modern"], "py-sdk-2"),
        # This client has no HTTP+SSE any more.
        Client("rmcp", ("http",), lambda: [str(environment.rmcp_driver())]),
    ]


def named(name: str) -> Client:
    return next(client for client in all_clients() if client.name == name)


def directly(client: Client, command: Command, script: dict[str, Any], scratch: Path) -> list[transcript.Step]:
    """The conversation on the server's own stdio."""
    if client.driver is None:
        return _raw(raw_client.Stdio(command), script, client.era)
    target: dict[str, Any] = {"command": command.program, "args": command.args, "env": _child_environment() | command.env}
    if command.cwd is not None:
        target["cwd"] = command.cwd
    return _driven(client, "stdio", target, script, scratch)


def through(client: Client, transport: str, url: str, script: dict[str, Any], scratch: Path) -> list[transcript.Step]:
    """The same conversation over HTTP."""
    if client.driver is None:
        link = raw_modern.ModernHttp(url) if client.era == "modern" else raw_client.StreamableHttp(url) if transport == "http" else raw_client.HttpSse(url)
        return _raw(link, script, client.era)
    return _driven(client, transport, {"url": url}, script, scratch)


def start(client: Client, transport: str, target: dict[str, Any], script: dict[str, Any], scratch: Path) -> subprocess.Popen[str]:
    """Starts a driver; its transcript comes on stdout."""
    file = scratch / f"script-{client.name}-{script['label']}.json"
    file.write_text(json.dumps(script))
    line = [*client.driver(), "--transport", transport, "--connect", json.dumps(target), "--script", str(file)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def finish(driver: subprocess.Popen[str]) -> list[transcript.Step]:
    """Waits for a driver and reads its transcript."""
    try:
        output, errors = driver.communicate(timeout=DRIVER_DEADLINE)
    except subprocess.TimeoutExpired as slow:
        driver.kill()
        output, errors = driver.communicate()
        raise DriverFailed(f"stuck after {len(output.splitlines())} steps\n{errors[-1500:]}") from slow
    if driver.returncode != 0:
        raise DriverFailed(f"the driver ended with {driver.returncode} after {len(output.splitlines())} steps\n{errors[-1500:]}")
    return transcript.parse(output)


def _driven(client: Client, transport: str, target: dict[str, Any], script: dict[str, Any], scratch: Path) -> list[transcript.Step]:
    return finish(start(client, transport, target, script, scratch))


def _raw(link: raw_client.Link, script: dict[str, Any], era: str) -> list[transcript.Step]:
    try:
        return raw_modern.converse(link, script) if era == "modern" else raw_client.converse(link, script)
    finally:
        try:
            link.close()
        except ConnectionError as failure:
            if sys.exc_info()[0] is None:
                raise
            print(f"  closing failed as well: {failure}", file=sys.stderr)


def _child_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER")}
