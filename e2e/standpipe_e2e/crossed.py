"""The crossed suite: official clients, several of each, on one child at the same time.

All count their request ids from the same number. Each answer names the client and the call it is for.
"""

import json

from . import clients, environment, proxy, schemas, servers
from .servers import tool
from .tap import Tap

# How many processes of each client there are per transport, and how many calls each makes.
EACH = 2
CALLS = 60
# The child waits this long at most before it answers, so that answers overtake each other, in ms.
LONGEST_WAIT = 20


def run(tap: Tap, _only_servers: list[str], only_clients: list[str]) -> None:
    home = environment.scratch()
    fixture = servers.named(["fixture"])[0]
    chosen = [c for c in clients.all_clients() if c.driver is not None and (not only_clients or c.name in only_clients)]
    with proxy.running(fixture.command(home), home / "standpipe.log") as standpipe:
        running = []
        for client in chosen:
            for transport in client.transports:
                for number in range(EACH):
                    label = f"{client.name} {transport} {number}"
                    target = {"url": standpipe.url(transport)}
                    running.append((label, clients.start(client, transport, target, _script(label), home)))
        for label, driver in running:
            try:
                transcript = clients.finish(driver)
            except clients.DriverFailed as failure:
                tap.not_ok(f"crossed {label}", str(failure))
                continue
            tap.check(f"crossed {label}", _problems(label, [json.loads(step.text) for step in transcript[1:]]))
    schemas.check(tap, "crossed", home)


def _script(label: str) -> dict[str, object]:
    steps = [
        # Scattered, and the same in every run.
        tool(str(n), "delay", {"ms": n * 7919 % LONGEST_WAIT, "text": f"{label} call {n}"})
        for n in range(CALLS)
    ]
    return {"label": label.replace(" ", "-"), "roots": [], "steps": steps}


def _problems(label: str, outcomes: list[dict[str, object]]) -> list[str]:
    found = [] if len(outcomes) == CALLS else [f"{len(outcomes)} answers of {CALLS}"]
    for n, outcome in enumerate(outcomes):
        text = json.dumps(outcome)
        if f'"{label} call {n}"' not in text:
            found.append(f"call {n} got {text[:300]}")
    return found
