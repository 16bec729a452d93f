"""Validates recorded messages: `validate.py SCHEMAS < LIST OF FILES`; prints one JSON object.

A line of a file is `{"by", "revision", "answers", "message"}`; which definition of the schema applies is found by the
message's own method, by the method it answers, or by its error code.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema

# Problems shown of one kind of message.
SHOWN = 2


class Schema:
    """The schema of one revision."""

    def __init__(self, file: Path) -> None:
        whole = json.loads(file.read_text())
        self.key = "$defs" if "$defs" in whole else "definitions"
        self.definitions = whole[self.key]
        modern = "2020-12" in whole["$schema"]
        self.kind = jsonschema.Draft202012Validator if modern else jsonschema.Draft7Validator
        self.validators: dict[str, Any] = {}
        self.by_method: dict[str, str] = {}
        self.by_code: dict[int, str] = {}
        for name, definition in self.definitions.items():
            method = definition.get("properties", {}).get("method", {}).get("const")
            if method is not None:
                self.by_method[method] = name
            for part in definition.get("properties", {}).get("error", {}).get("allOf", []):
                code = part.get("properties", {}).get("code", {}).get("const")
                if code is not None:
                    self.by_code[code] = name

    def definition(self, record: dict[str, Any]) -> str | None:
        """The name of the definition that applies; None where the revision knows no such message."""
        message = record["message"]
        if "method" in message:
            return self.by_method.get(message["method"])
        if "error" in message:
            error = message["error"]
            code = error.get("code") if isinstance(error, dict) else None
            return self.by_code.get(code) or ("JSONRPCErrorResponse" if "JSONRPCErrorResponse" in self.definitions else "JSONRPCError")
        if record["answers"] is None:
            return "Result"
        if message["result"].get("resultType") == "input_required":
            return "InputRequiredResult"
        request = self.by_method.get(record["answers"])
        if request is None:
            return "Result"
        result = request.removesuffix("Request") + "Result"
        return result if result in self.definitions else "EmptyResult"

    def problems(self, name: str, value: Any) -> list[str]:
        if name not in self.validators:
            self.validators[name] = self.kind({"$ref": f"#/{self.key}/{name}", self.key: self.definitions})
        best = jsonschema.exceptions.best_match(self.validators[name].iter_errors(value))
        return [] if best is None else [f"{'/'.join(map(str, best.absolute_path)) or '(top)'}: {best.message[:300]}"]


def main() -> None:
    schemas = {file.stem: Schema(file) for file in Path(sys.argv[1]).glob("*.json")}
    checked = distinct = 0
    seen: set[str] = set()
    # Requests that were no good when they came; a proxy passes them on, for the server to refuse.
    excused: set[str] = set()
    found: list[tuple[str, str, str]] = []
    for file in filter(None, sys.stdin.read().split("\n")):
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                message = record["message"]
                ours = record["by"] == "standpipe"
                checked += ours
                # The same message under another id is the same message.
                same = json.dumps({**record, "message": {**message, "id": "id" in message}}, sort_keys=True)
                if same in seen:
                    continue
                seen.add(same)
                distinct += ours
                for problem in judge(schemas, record):
                    if not ours:
                        excused.add(asked(message))
                        continue
                    what = f"{record['revision']} {message.get('method') or record['answers']}: {problem}"
                    found.append((what, asked(message), f"{what} in {Path(file).name}\n  {json.dumps(message)[:500]}"))
    shown: dict[str, int] = {}
    problems = []
    for what, request, text in found:
        shown[what] = shown.get(what, 0) + 1
        if request not in excused and shown[what] <= SHOWN:
            problems.append(text)
    print(json.dumps({"checked": checked, "distinct": distinct, "problems": problems}))


def asked(message: dict[str, Any]) -> str:
    """What a request says, but for what a proxy may write anew."""
    params = message.get("params")
    if isinstance(params, dict):
        params = {name: value for name, value in params.items() if name != "_meta"}
    return json.dumps([message.get("method"), params], sort_keys=True)


def judge(schemas: dict[str, Schema], record: dict[str, Any]) -> list[str]:
    schema = schemas.get(record["revision"])
    if schema is None:
        return ["there is no such revision"]
    name = schema.definition(record)
    if name is None:
        # A method of nobody's schema, passed on between two that know it.
        return []
    message = record["message"]
    if "result" in message:
        if set(message) != {"jsonrpc", "id", "result"}:
            return [f"the members of the answer are {sorted(message)}"]
        return schema.problems(name, message["result"])
    return schema.problems(name, message)


if __name__ == "__main__":
    main()
