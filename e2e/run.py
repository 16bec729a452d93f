#!/usr/bin/env python3
"""Runs end-to-end suites: `run.py [--server NAME]… [--client NAME]… SUITE…`.

Prints `ok NAME` and `not ok NAME: why`, one line per case, and exits 1 when any failed. Suites:
differential, interactive, crossed, compatibility, control; `determinism` holds each conversation twice directly on stdio.
"""

import argparse
import sys
from pathlib import Path

# The tree under test is left as it is.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from standpipe_e2e import compatibility, control, crossed, differential, interactive  # noqa: E402
from standpipe_e2e.environment import MissingSetting, clear_scratch  # noqa: E402
from standpipe_e2e.tap import Tap  # noqa: E402

SUITES = {
    "differential": differential.run,
    "interactive": interactive.run,
    "crossed": crossed.run,
    "compatibility": compatibility.run,
    "control": control.run,
    "determinism": lambda tap, s, c: differential.run(tap, s, c, direct_only=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", default=[], help="only these servers")
    parser.add_argument("--client", action="append", default=[], help="only these clients")
    parser.add_argument("--write", action="store_true", help="make the table of docs/compatibility.md anew")
    parser.add_argument("suite", nargs="+", choices=sorted(SUITES))
    arguments = parser.parse_args()
    tap = Tap()
    for suite in arguments.suite:
        print(f"# {suite}", flush=True)
        try:
            if suite == "compatibility" and arguments.write:
                compatibility.run(tap, arguments.server, arguments.client, write=True)
            else:
                SUITES[suite](tap, arguments.server, arguments.client)
        except MissingSetting as missing:
            tap.not_ok(suite, str(missing))
    print(f"# {tap.passed} ok, {tap.failed} not ok", flush=True)
    if tap.failed or not tap.passed:
        # The folders stay, with scripts and Standpipe's logs, for a look at what went wrong.
        return 1
    clear_scratch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
