"""Holds every recorded message against the official schema of the revision it was for.

The checking itself needs a package, so a Python that has it does it: `drivers/validate.py`.
"""

import json
import subprocess
from pathlib import Path

from . import environment
from .tap import Tap

HERE = Path(__file__).resolve().parent.parent
VALIDATOR = HERE / "drivers" / "validate.py"

# What `proxy` calls its recordings.
SUFFIX = ".messages"

# Two messages that are not valid, one of each era, and must be found out: else nothing was looked at.
CANARIES = [
    {"by": "standpipe", "revision": "2025-11-25", "answers": "tools/list", "message": {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{}]}}},
    {"by": "standpipe", "revision": "2026-07-28", "answers": "tools/list", "message": {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}},
]


def check(tap: Tap, name: str, scratch: Path) -> None:
    """Checks the recordings below `scratch`, and that wrong messages would have been seen."""
    canaries = scratch / f"canaries{SUFFIX}"
    canaries.write_text("".join(json.dumps(canary) + "\n" for canary in CANARIES))
    found = _validate([canaries])
    canaries.unlink()
    if len(found["problems"]) != len(CANARIES):
        tap.not_ok(f"{name} schemas", f"of {len(CANARIES)} wrong messages, {len(found['problems'])} were found out")
        return
    found = _validate(sorted(scratch.rglob(f"*{SUFFIX}")))
    print(f"# {name}: {found['checked']} messages, {found['distinct']} of them distinct, held against their schemas", flush=True)
    tap.check(f"{name} schemas", found["problems"] if found["checked"] else ["no message was recorded"])


def _validate(files: list[Path]) -> dict:
    line = [str(environment.python(2)), str(VALIDATOR), str(HERE / "schema")]
    run = subprocess.run(line, input="\n".join(map(str, files)), capture_output=True, text=True, encoding="utf-8")
    if run.returncode != 0:
        raise RuntimeError(f"the validator ended with {run.returncode}\n{run.stderr[-2000:]}")
    return json.loads(run.stdout)
