"""The differential suite: a conversation through Standpipe equals the one on stdio, byte for byte but ids.

For every server and client the conversation is held directly on stdio, then through Standpipe on each
transport, in both sharing modes, each time with fresh data and a fresh server. Where client and server do not speak
the same era, their twins that do hold the direct one, and `eras` says what the two have in common.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import clients, environment, eras, proxy, schemas, servers
from .tap import Tap
from .transcript import Step, differences

# Conversations held at the same time; each is mostly waiting for two small processes.
WORKERS = 2


def run(tap: Tap, only_servers: list[str], only_clients: list[str], *, direct_only: bool = False) -> None:
    scratch = environment.scratch()
    chosen = [c for c in clients.all_clients() if not only_clients or c.name in only_clients]
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [
            pool.submit(_compare, tap, scratch, server, client, direct_only)
            for server in servers.named(only_servers)
            for client in chosen
        ]
        for job in jobs:
            job.result()
    if not direct_only:
        schemas.check(tap, "differential", scratch)


def _compare(tap: Tap, scratch: Path, server: servers.Server, client: clients.Client, direct_only: bool) -> None:
    home = scratch / f"{server.name}-{client.name}"
    data = home / "data"
    script = _script(server, client, data)
    home.mkdir()
    name = f"{server.name} {client.name}"
    speaker, spoken_to = eras.reference(client, server)
    try:
        server.prepare(data)
        direct = clients.directly(speaker, spoken_to.command(data), script, home)
    except Exception as failure:
        tap.not_ok(f"{name} stdio", f"{type(failure).__name__}: {failure}")
        return
    if direct_only:
        # Proves the conversation itself: what differs here would differ for no fault of Standpipe's.
        server.prepare(data)
        again = clients.directly(speaker, spoken_to.command(data), script, home)
        tap.check(f"{name} stdio twice", differences(direct, again))
        return
    for sharing in ("shared", "session"):
        for transport in client.transports:
            server.prepare(data)
            log = home / f"standpipe-{sharing}-{transport}.log"
            case = f"{name} {transport} {sharing}"
            try:
                with proxy.running(server.command(data), log, sharing=sharing) as standpipe:
                    got = clients.through(client, transport, standpipe.url(transport), script, home)
            except Exception as failure:
                tap.not_ok(case, f"{type(failure).__name__}: {failure}")
                continue
            expected = direct
            if eras.is_across(client, server, sharing):
                expected, got = eras.common(direct), eras.common(got)
            elif client.era == "modern":
                expected, got = eras.discovered(direct), eras.discovered(got)
            elif server.has_tasks and sharing == "shared":
                expected, got = _as_shared(direct), _reformatted(got)
            tap.check(case, differences(expected, got))


def _script(server: servers.Server, client: clients.Client, data: Path) -> dict[str, Any]:
    steps = server.steps(data)
    if client.driver is None:
        steps = steps + server.raw_steps(data)
    steps = eras.steps_for(client, server, steps)
    return {"label": "e2e", "roots": [{"uri": f"file://{data}", "name": "data"}], "steps": steps}


def _as_shared(direct: list[Step]) -> list[Step]:
    """What a shared child's handshake must look like: the same, but that tasks are not advertised."""
    return [_handshake(step, drop_tasks=True) if step.name == "initialize" else step for step in direct]


def _reformatted(got: list[Step]) -> list[Step]:
    return [_handshake(step, drop_tasks=False) if step.name == "initialize" else step for step in got]


def _handshake(step: Step, *, drop_tasks: bool) -> Step:
    outcome = json.loads(step.text)
    result = outcome["result"]
    if isinstance(result, str):
        result = json.loads(result)
    if drop_tasks:
        # One SDK does not know them and has dropped them already.
        result["capabilities"].pop("tasks", None)
    # The order of members is kept, and compared.
    return Step(step.name, json.dumps(result, ensure_ascii=False))
