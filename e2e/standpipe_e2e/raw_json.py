"""Cuts the members of a JSON object out of its text, byte for byte.

SDK clients parse and write again, which hides changed escapes, numbers and white space. This does not: a
value's text is the slice between its first and last character. It knows nothing of MCP.
"""

import json

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


def members(text: str) -> dict[str, str]:
    """The raw text of each member of the object; a repeated name is an error, as nobody may send one."""
    at = _skip(text, 0)
    if text[at] != "{":
        raise ValueError(f"not an object: {text[:80]!r}")
    found: dict[str, str] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError(f"no colon after {name!r}")
        start = _skip(text, at + 1)
        _, at = _DECODER.raw_decode(text, start)
        if name in found:
            raise ValueError(f"{name!r} appears twice")
        found[name] = text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "}":
            raise ValueError(f"neither comma nor end after {name!r}")
    if text[at + 1 :].strip(_SPACE):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
