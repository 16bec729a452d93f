"""The servers the suites run against: how each is started, its data, and the conversation held with it.

A conversation must give the same answers every time: fixed files, fixed dates, no clocks, no process ids.
What a server makes of chance or time is left out by the choice of calls, never masked afterwards.
"""

import datetime
import os
import shutil
import subprocess
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import environment

Step = dict[str, Any]


@dataclass
class Command:
    """How a server is started; the environment is added to the little that every child gets."""

    program: str
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None


@dataclass
class Server:
    """A server under test, and the steps of the conversation with it."""

    name: str
    # Makes the data at the given folder anew; the same folder each time, as answers name it.
    prepare: Callable[[Path], None]
    command: Callable[[Path], Command]
    steps: Callable[[Path], list[Step]]
    # Only for the raw driver: what no SDK client would send.
    raw_steps: Callable[[Path], list[Step]] = lambda _: []
    # Tasks belong to the whole child, so a shared one does not advertise them.
    has_tasks: bool = False
    # The eras that it speaks.
    eras: frozenset[str] = frozenset({"legacy"})
    # The same server in the era before, where it does not speak that itself.
    legacy_twin: "Server | None" = None


def step(name: str, method: str, params: dict[str, Any] | None = None, **more: Any) -> Step:
    return {"name": name, "method": method, "params": params or {}, **more}


def tool(name: str, tool_name: str, arguments: dict[str, Any] | None = None, **more: Any) -> Step:
    return step(name, "tools/call", {"name": tool_name, "arguments": arguments or {}}, **more)


def all_servers() -> list[Server]:
    from . import scripts

    either = frozenset({"legacy", "modern"})
    fixture = Server("fixture", _empty, _fixture("legacy"), scripts.fixture, scripts.fixture_raw)
    return [
        Server("demo", _empty, _demo, scripts.demo, scripts.demo_raw),
        fixture,
        Server(
            "fixture-modern",
            _empty,
            _fixture("modern"),
            scripts.fixture,
            scripts.fixture_raw,
            eras=frozenset({"modern"}),
            legacy_twin=fixture,
        ),
        Server("fixture-either", _empty, _fixture("either"), scripts.fixture, scripts.fixture_raw, eras=either),
        Server("everything", _empty, _everything, scripts.everything, scripts.everything_raw, has_tasks=True),
        Server("filesystem", _files, _filesystem, scripts.filesystem),
        Server("memory", _empty, _memory, scripts.memory),
        Server("time", _empty, _time, scripts.time, eras=either),
        Server("git", _repository, _git, scripts.git, eras=either),
    ]


def named(names: list[str]) -> list[Server]:
    known = all_servers()
    unknown = set(names) - {server.name for server in known}
    if unknown:
        raise environment.MissingSetting(f"no server is called {', '.join(sorted(unknown))}")
    return [server for server in known if not names or server.name in names]


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _files(folder: Path) -> None:
    _empty(folder)
    (folder / "hello.txt").write_text("Hello, line one\nline two\nline three — ünïcode ✓\n")
    (folder / "nested").mkdir()
    (folder / "nested" / "deep.md").write_text("# Deep\n")
    (folder / "pixel.png").write_bytes(bytes.fromhex("89504e470d0a1a0a0000000d49484452"))


def _repository(folder: Path) -> None:
    _empty(folder)
    fixed = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **GIT_IDENTITY,
    }

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, env=fixed, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    (folder / "a.txt").write_text("first\n")
    git("add", "a.txt")
    git("commit", "-m", "Add a")
    (folder / "a.txt").write_text("first\nsecond\n")
    git("commit", "-am", "Say more")
    (folder / "a.txt").write_text("first\nsecond\nthird\n")


GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+0000",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+0000",
}


def _npm(package: str) -> str:
    return str(environment.packages() / "node_modules" / "@modelcontextprotocol" / package / "dist" / "index.js")


def _demo(_folder: Path) -> Command:
    return Command(str(environment.standpipe()), ["demo"])


def _fixture(era: str) -> Callable[[Path], Command]:
    return lambda _folder: Command(str(environment.fixture()), ["--era", era])


def _everything(_folder: Path) -> Command:
    return Command(str(environment.node()), [_npm("server-everything"), "stdio"])


def _filesystem(folder: Path) -> Command:
    return Command(str(environment.node()), [_npm("server-filesystem"), str(folder)])


def _memory(folder: Path) -> Command:
    env = {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
    return Command(str(environment.node()), [_npm("server-memory")], env)


def _time(_folder: Path) -> Command:
    return Command(str(environment.python_servers() / "mcp-server-time"), ["--local-timezone", "Europe/Warsaw"])


def _git(folder: Path) -> Command:
    env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", **GIT_IDENTITY}
    return Command(str(environment.python_servers() / "mcp-server-git"), ["--repository", str(folder)], env)


def zone_far_from_midnight() -> str:
    """A zone whose date will not change while the suites run: conversions name the day they are made on."""
    zones = ["Asia/Kathmandu", "America/New_York"]
    now = datetime.datetime.now(datetime.UTC)
    return next((z for z in zones if now.astimezone(zoneinfo.ZoneInfo(z)).hour < 22), "UTC")
