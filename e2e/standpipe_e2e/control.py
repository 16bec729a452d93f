"""The control suite: the OpenAPI document of the control plane, and whether the answers keep to it.

The document is checked by openapi-spec-validator. schemathesis makes calls from it, valid and invalid ones, over
TCP with a token; none may be answered with a 5xx, with a status, a content type or a body that is not described.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from . import environment
from .tap import Tap

TOKEN = "token-of-the-control-suite"
# In seconds. The calls end long before on any machine; what is left over is for slow ones.
START_DEADLINE = 60
STOP_DEADLINE = 30
CALLS_DEADLINE = 240
# Calls that schemathesis makes up for each operation.
EXAMPLES = 40
# The same calls in every run.
SEED = 1
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance," \
    "response_schema_conformance,unsupported_method,ignored_auth"


def run(tap: Tap, _only_servers: list[str], _only_clients: list[str]) -> None:
    home = environment.scratch()
    with _running(home) as address:
        document = _get(f"{address}/api/v1/openapi.json")
        file = home / "openapi.json"
        file.write_text(document)
        for name, line in _lines(address, file):
            tap.check(f"control {name}", _problems(line, home))
        # Whatever was called, it is still there and in order.
        listed = json.loads(_get(f"{address}/api/v1/servers"))
        tap.check("control afterwards", [] if "servers" in listed else [f"it lists {listed}"])


def _lines(address: str, file: Path) -> Iterator[tuple[str, list[str]]]:
    python = str(environment.python_api())
    yield "document", [python, "-m", "openapi_spec_validator", "--schema", "3.1", str(file)]
    yield "schemathesis", [
        python, "-m", "schemathesis.cli", "run", f"{address}/api/v1/openapi.json",
        "--header", f"Authorization: Bearer {TOKEN}",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-deterministic",
        "--request-timeout", "60", "--no-color",
    ]


def _problems(line: list[str], home: Path) -> list[str]:
    # A stream of lines has no end, and schemathesis waits for one.
    settings = dict(os.environ, SCHEMATHESIS_HOOKS="standpipe_e2e.control_hooks", PYTHONPATH=str(Path(__file__).parent.parent))
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=CALLS_DEADLINE, env=settings, cwd=home)
    except subprocess.TimeoutExpired as late:
        return [f"not done after {CALLS_DEADLINE} s", (late.stdout or b"").decode(errors="replace")[-3000:]]
    return [] if done.returncode == 0 else [f"ended with {done.returncode}", done.stdout[-6000:], done.stderr[-2000:]]


@contextlib.contextmanager
def _running(home: Path) -> Iterator[str]:
    """Runs `standpipe serve` with a control address for the length of the block; stopping must succeed too."""
    # Made-up commands are started too: none of them may be found.
    nothing = home / "bin"
    nothing.mkdir()
    config = home / "config.json"
    config.write_text(json.dumps({
        "control": {"listen": "127.0.0.1:0", "token": TOKEN, "socket": "off"},
        "mcpServers": {"clock": {"command": str(environment.fixture())}},
    }))
    line = [str(environment.standpipe()), "serve", "--listen", "127.0.0.1:0", "--config", str(config)]
    log = home / "standpipe.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=errors, env=dict(os.environ, PATH=str(nothing)),
            cwd=nothing, process_group=0,
        )
        try:
            yield _address(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
    if code != 0:
        raise RuntimeError(f"standpipe ended with {code} after SIGTERM:\n{log.read_text()[-2000:]}")


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_DEADLINE
    while time.monotonic() < until and process.poll() is None:
        for text in log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                line = json.loads(text)
                if "to those who have its token" in line.get("message", ""):
                    return f"http://{line['address']}"
        time.sleep(0.05)
    raise RuntimeError(f"standpipe does not serve its control plane:\n{log.read_text()[-2000:]}")


def _get(url: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=START_DEADLINE) as response:
        return response.read().decode()
