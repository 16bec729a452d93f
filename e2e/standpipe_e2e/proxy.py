"""Starts Standpipe before one server, tells where it listens, and stops it again."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import environment, recording, relay, schemas
from .servers import Command

# Generous: a cold node or Python child on a busy machine, in seconds.
START_DEADLINE = 60
STOP_DEADLINE = 20
# What is kept of Standpipe's own log, to be shown when something goes wrong.
LOG_LINES_SHOWN = 15


class ProxyFailed(Exception):
    """Standpipe did not start, or did not stop cleanly."""


@dataclass
class Proxy:
    """A running Standpipe."""

    base: str
    log: Path

    def url(self, transport: str) -> str:
        return f"{self.base}/{'mcp' if transport == 'http' else 'sse'}"

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])


@contextlib.contextmanager
def running(command: Command, log: Path, *, sharing: str | None = None, flags: tuple[str, ...] = ()) -> Iterator[Proxy]:
    """Runs `standpipe run` before `command` for the length of the block; stopping must succeed too.

    What it says to clients and to its children is recorded beside the log, for `schemas`.
    """
    inputs = log.with_suffix(".stdin")
    inputs.mkdir()
    line = [str(environment.standpipe()), "run", "--listen", "127.0.0.1:0", *flags]
    if sharing is not None:
        line += ["--sharing", sharing]
    for key, value in command.env.items():
        line += ["--env", f"{key}={value}"]
    if command.cwd is not None:
        line += ["--cwd", command.cwd]
    # The child's standard input is written down on its way, each process' into a file of its own.
    line += ["--", "sh", "-c", 'tee "$0/stdin.$$" | exec "$@"', str(inputs), command.program, *command.args]
    with log.open("wb") as errors:
        # Its own group, so that an interrupt at the terminal is ours to pass on in order.
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=errors, env=dict(os.environ), process_group=0)
        try:
            host, port = _address(process, log).removeprefix("http://").rsplit(":", 1)
            with relay.before(host, int(port)) as (address, connections):
                yield Proxy(f"http://{address}", log)
        finally:
            _stop(process)
    _record(log, connections, inputs)
    if process.returncode != 0:
        raise ProxyFailed(f"standpipe ended with {process.returncode} after SIGTERM")


def _record(log: Path, connections: list[relay.Connection], inputs: Path) -> None:
    with log.with_suffix(schemas.SUFFIX).open("w", encoding="utf-8") as file:
        for records in (recording.from_and_to_clients(connections), recording.to_children(inputs)):
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    watchdog = threading.Timer(START_DEADLINE, process.kill)
    watchdog.start()
    try:
        first = process.stdout.readline().decode()
    finally:
        watchdog.cancel()
    if not first.startswith("listening on http://"):
        process.kill()
        process.wait()
        raise ProxyFailed(f"the first line of standpipe is {first!r}; its log ends:\n{log.read_text(errors='replace')[-2000:]}")
    return first.removeprefix("listening on ").strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired as slow:
        process.kill()
        process.wait()
        raise ProxyFailed(f"standpipe still ran {STOP_DEADLINE} s after SIGTERM") from slow
    finally:
        process.stdout.close()
