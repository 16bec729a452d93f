"""Transcripts of a scripted conversation, and what differs between two of them."""

import json
from dataclasses import dataclass

# How much of a differing value is shown.
SHOWN = 400


@dataclass(frozen=True)
class Step:
    """One step's outcome as the exact text its driver wrote."""

    name: str
    text: str


def parse(output: str) -> list[Step]:
    steps = []
    # Not `splitlines`, which also splits at U+2028 inside a string.
    for line in output.split("\n"):
        if line.strip():
            steps.append(Step(json.loads(line)["step"], line))
    return steps


def differences(direct: list[Step], through: list[Step]) -> list[str]:
    """What is not the same, in words; empty when every step is equal to the byte."""
    problems = []
    if [s.name for s in direct] != [s.name for s in through]:
        problems.append(f"the steps differ: {len(direct)} directly, {len(through)} through Standpipe")
    for one, other in zip(direct, through):
        if one.name == other.name and one.text != other.text:
            problems.append(f"{one.name}: {_where(one.text, other.text)}")
    return problems


def _where(one: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    start = max(0, at - 60)
    return f"differs at character {at}\n  direct:  …{one[start:start + SHOWN]}\n  through: …{other[start:start + SHOWN]}"
