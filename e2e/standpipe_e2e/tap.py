"""Prints outcomes as lines `ok NAME` and `not ok NAME: why`, and counts them."""

import threading


class Tap:
    """One report; safe to use from several threads."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()

    def ok(self, name: str) -> None:
        with self._lock:
            self.passed += 1
            print(f"ok {name}", flush=True)

    def not_ok(self, name: str, why: str) -> None:
        with self._lock:
            self.failed += 1
            first, *rest = why.splitlines() or ["no reason given"]
            print(f"not ok {name}: {first}", flush=True)
            for line in rest:
                print(f"  {line}", flush=True)

    def check(self, name: str, problems: list[str]) -> None:
        if problems:
            self.not_ok(name, "\n".join(problems))
        else:
            self.ok(name)
