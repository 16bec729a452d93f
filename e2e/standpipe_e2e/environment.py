"""Where the suites find what they need: binaries under test, installed packages, scratch space.

Everything comes from environment variables, so that the same suites run on a workstation, in continuous
integration, and against any other build. The one program built here on demand is the
Rust driver.
"""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


_SCRATCH: list[Path] = []


class MissingSetting(Exception):
    """A variable the suite cannot do without is not set, or names nothing that exists."""


def _path(name: str, meaning: str) -> Path:
    value = os.environ.get(name)
    if not value:
        raise MissingSetting(f"{name} is not set: it names {meaning}; `cargo xtask e2e` sets it")
    # Not resolved: the python of a virtual environment is a link that must keep its place.
    path = Path(os.path.abspath(value))
    if not path.exists():
        raise MissingSetting(f"{name} names {path}, which does not exist: it should be {meaning}")
    return path


def standpipe() -> Path:
    return _path("STANDPIPE_BIN", "the `standpipe` binary under test")


def fixture() -> Path:
    return _path("FIXTURE_BIN", "the `standpipe-fixture` binary")


def packages() -> Path:
    return _path("E2E_DIR", "the folder that holds node_modules")


def node() -> Path:
    return _path("NODE24", "a node binary, version 22 or newer")


def python(major: int) -> Path:
    return _path(f"PY{major}", f"the python of a virtual environment with `mcp` {major}.x")


def python_api() -> Path:
    return _path("PYAPI", "the python of a virtual environment with schemathesis and openapi-spec-validator")


def python_servers() -> Path:
    return _path("PYSRV", "the bin folder of the virtual environment with mcp-server-time and mcp-server-git")


@functools.cache
def rmcp_driver() -> Path:
    """The Rust driver, an example of the `standpipe` package; built here unless a build of it was named."""
    if os.environ.get("RMCP_DRIVER"):
        return _path("RMCP_DRIVER", "the `rmcp_driver` example")
    line = ["cargo", "build", "--quiet", "--package=standpipe", "--example=rmcp_driver", "--message-format=json"]
    build = subprocess.run(line, cwd=Path(__file__).parent, capture_output=True, text=True)
    if build.returncode != 0:
        raise MissingSetting(f"RMCP_DRIVER is not set and cargo could not build it:\n{build.stderr[-2000:]}")
    messages = (json.loads(message) for message in build.stdout.splitlines() if message.startswith("{"))
    made = [message["executable"] for message in messages if message.get("executable")]
    return Path(made[-1])


def scratch() -> Path:
    """A new folder of our own."""
    folder = Path(tempfile.mkdtemp(prefix="standpipe-e2e-")).resolve()
    _SCRATCH.append(folder)
    return folder


def clear_scratch() -> None:
    """Removes every folder that `scratch` made."""
    while _SCRATCH:
        shutil.rmtree(_SCRATCH.pop(), ignore_errors=True)
