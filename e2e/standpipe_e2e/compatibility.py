"""The compatibility suite: which feature gets through between which eras, probed cell by cell.

The table in `docs/compatibility.md` is made from this one, and the suite fails where the two differ or where a
probe finds something else than the table says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environment, peers, proxy, schemas, servers
from .peers import LegacyPeer, ModernPeer, Peer
from .tap import Tap

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

YES, BRIDGED, NO, NONE = "yes", "bridged", "no", "–"

WATCHED = "test://watched-resource"

# The pairs of (client, child), in the order of the columns.
PAIRS = (("legacy", "legacy"), ("legacy", "modern"), ("modern", "legacy"), ("modern", "modern"))


@dataclass(frozen=True)
class Feature:
    """One row: what is said of each pair, and the probe that finds out whether it works."""

    name: str
    probe: Callable[[Peer], bool]
    cells: tuple[str, str, str, str]


def tool(peer: Any, name: str, **arguments: Any) -> peers.Answer:
    return peer.call("tools/call", {"name": name, "arguments": arguments})


def lists(peer: Any) -> bool:
    wanted = {"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates"}
    return all(peer.call(method).result[name] for method, name in wanted.items())


def calls(peer: Any) -> bool:
    complete = {"ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"}, "argument": {"name": "arg1", "value": "par"}}
    answers = [
        tool(peer, "echo", word="turtle"),
        peer.call("prompts/get", {"name": "test_simple_prompt"}),
        peer.call("resources/read", {"uri": "test://static-text"}),
        peer.call("completion/complete", complete),
    ]
    return all(answer.error is None for answer in answers) and "turtle" in answers[0].text


def unknown_members(peer: Any) -> bool:
    params = {"name": "echo_raw", "arguments": {}, "extra": {"kept": 1}, "_meta": {"example.org/own": "kept"}}
    return {"extra": {"kept": 1}, "example.org/own": "kept"}.items() <= _flat(peer.call("tools/call", params).result["structuredContent"]).items()


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    return {**params, **params.get("_meta", {})}


def progress(peer: Any) -> bool:
    answer = peer.call("tools/call", {"name": "progress", "arguments": {"steps": 3}}, token="mine")
    tokens = [note["params"]["progressToken"] for note in answer.notes if note["method"] == "notifications/progress"]
    return tokens == ["mine"] * 3


def logs(peer: Any) -> bool:
    heard = peer.call_logged("warning", "log", {"level": "error", "message": "heard"})
    spared = peer.call_logged("warning", "log", {"level": "info", "message": "spared"})
    data = [note["params"]["data"] for answer in (heard, spared) for note in answer.notes if note["method"] == "notifications/message"]
    return data == ["heard"]


def cancellation(peer: Any) -> bool:
    label = f"given up by {peer.era}"
    peer.give_up("slow", {"ms": 600_000, "label": label})
    return peers.wait_for(lambda: peers.name_of_cancelled(peer, label))


def list_changes(peer: Any) -> bool:
    peer.watch()
    for which in peers.LISTS:
        tool(peer, "emit_list_changed", which=which)
        if peer.announced(f"notifications/{which}/list_changed") is None:
            return False
    return True


def resource_updates(peer: Any) -> bool:
    peer.watch(uri=WATCHED)
    # What was made upstream for the subscription may come after the answer to it.
    peers.wait_for(lambda: '"subscribed"' in tool(peer, "touch_resource", uri=WATCHED).text)
    updated = peer.announced("notifications/resources/updated")
    return updated is not None and updated["params"]["uri"] == WATCHED


def question(kind: str, method: str, part: str) -> Callable[[Any], bool]:
    def probe(peer: Any) -> bool:
        answer = tool(peer, "ask", kind=kind, message="who?")
        return [asked for _, asked in answer.asked] == [method] and part in answer.text

    return probe


def several(peer: Any) -> bool:
    answer = tool(peer, "test_multiple_inputs")
    return len(answer.asked) == 3 and answer.text.count("answered") == 3


def rounds(peer: Any) -> bool:
    answer = tool(peer, "test_input_required_result_multi_round")
    return len(answer.asked) == 2 and "Multi-round complete for peer" in answer.text


def prompts_and_resources(peer: Any) -> bool:
    prompt = peer.call("prompts/get", {"name": "test_input_required_result_prompt"})
    resource = peer.call("resources/read", {"uri": "test://asking"})
    return all(len(answer.asked) == 1 and "peer" in answer.text for answer in (prompt, resource))


def names_of_questions(peer: Any) -> bool:
    return [name for name, _ in tool(peer, "test_input_required_result_elicitation").asked] == ["user_name"]


def visits(peer: Any) -> bool:
    label = f"{peer.era} client"
    first = tool(peer, "url_first", label=label)
    if first.error is not None and first.error["code"] == -32042:
        # The client of an older revision visits the page by itself, and calls again.
        first = tool(peer, "url_first", label=label)
    return "may go on" in first.text


def undeclared(peer: Any) -> bool:
    mute = type(peer)(peer_url(peer), mute=True)
    try:
        answer = tool(mute, "test_missing_capability")
    finally:
        mute.close()
    if answer.asked:
        return False
    if peer.era == "modern":
        return (answer.status, answer.error["code"]) == (400, -32021) and "sampling" in answer.error["data"]["requiredCapabilities"]
    return answer.error is not None or answer.result.get("isError", False)


def peer_url(peer: Any) -> str:
    return peer._url.geturl()


def nothing_there(peer: Any) -> bool:
    resource = peer.call("resources/read", {"uri": "test://nowhere"}).error["code"]
    method = peer.call("no/such/method").error["code"]
    # A legacy client of a modern child gets the code of that child: nobody can tell it from another wrong parameter.
    return resource in ((-32602,) if peer.era == "modern" else (-32602, -32002)) and method == -32601


def ping(peer: Any) -> bool:
    return peer.call("ping").result == {}


def caching(peer: Any) -> bool:
    answers = [peer.call("tools/list"), peer.call("resources/read", {"uri": "test://static-text"})]
    return all({"ttlMs", "cacheScope"} <= answer.result.keys() for answer in answers)


def identity(peer: Any) -> bool:
    named = peer.server.get("serverInfo") or peer.server["_meta"]["io.modelcontextprotocol/serverInfo"]
    return named["name"] == "standpipe-fixture" and peer.server["instructions"] == "Read me"


FEATURES = (
    Feature("tools, prompts, resources, templates: lists", lists, (YES, YES, YES, YES)),
    Feature("calling, getting, reading, completion", calls, (YES, YES, YES, YES)),
    Feature("who the server is, and its instructions", identity, (YES, BRIDGED, BRIDGED, YES)),
    Feature("unknown members and `_meta` keys of a request", unknown_members, (YES, YES, YES, YES)),
    Feature("progress", progress, (YES, YES, YES, YES)),
    Feature("log messages, by level", logs, (YES, BRIDGED, BRIDGED, YES)),
    Feature("changes of lists", list_changes, (YES, BRIDGED, BRIDGED, YES)),
    Feature("updates of resources", resource_updates, (YES, BRIDGED, BRIDGED, YES)),
    Feature("sampling", question("sampling", "sampling/createMessage", "peer heard"), (YES, BRIDGED, BRIDGED, YES)),
    Feature("elicitation, form", question("elicitation", "elicitation/create", "peer"), (YES, BRIDGED, BRIDGED, YES)),
    Feature("elicitation, URL", question("url", "elicitation/create", "accept"), (YES, BRIDGED, BRIDGED, YES)),
    Feature("roots", question("roots", "roots/list", "home/peer"), (YES, BRIDGED, BRIDGED, YES)),
    Feature("several questions at once", several, (YES, BRIDGED, BRIDGED, YES)),
    Feature("several rounds of questions", rounds, (YES, BRIDGED, BRIDGED, YES)),
    Feature("questions of prompts and resources", prompts_and_resources, (YES, BRIDGED, BRIDGED, YES)),
    Feature("the server's own names for its questions", names_of_questions, (NONE, NONE, NO, YES)),
    Feature("a URL to visit before a call (−32042)", visits, (YES, BRIDGED, BRIDGED, YES)),
    Feature("a call that needs an undeclared capability", undeclared, (YES, BRIDGED, BRIDGED, YES)),
    Feature("codes for what is not there", nothing_there, (YES, YES, BRIDGED, YES)),
    Feature("`ping`", ping, (YES, BRIDGED, NONE, NONE)),
    Feature("how long a result holds", caching, (NONE, NONE, BRIDGED, YES)),
    # Last: a call that was given up may still ask, and so for a while it is not known who does.
    Feature("cancelling a call", cancellation, (YES, YES, BRIDGED, BRIDGED)),
)


def run(tap: Tap, _only_servers: list[str], only_clients: list[str], *, write: bool = False) -> None:
    scratch = environment.scratch()
    for child in ("legacy", "modern"):
        for client in (LegacyPeer, ModernPeer):
            if only_clients and client.era not in only_clients:
                continue
            command = servers.named(["fixture" if child == "legacy" else "fixture-modern"])[0].command(scratch)
            command.args += ["--instructions", "Read me"]
            with proxy.running(command, scratch / f"{client.era}-{child}.log") as standpipe:
                _probe(tap, client, child, standpipe.url("http"))
    schemas.check(tap, "compatibility", scratch)
    _document(tap, write)


def _probe(tap: Tap, client: type[Peer], child: str, url: str) -> None:
    column = PAIRS.index((client.era, child))
    for feature in FEATURES:
        said = feature.cells[column]
        if said == NONE:
            continue
        name = f"{client.era} client, {child} child: {feature.name}"
        peer = None
        try:
            peer = client(url)
            works = feature.probe(peer)
        except Exception as failure:
            works = False
            print(f"  {name}: {type(failure).__name__}: {failure}", flush=True)
        finally:
            if peer is not None:
                peer.close()
        tap.check(name, [] if works == (said != NO) else [f"the table says {said!r}, and it {'works' if works else 'does not'}"])


def table() -> str:
    """The table as the document has it."""
    rows = ["| feature | " + " | ".join(f"{client} client, {child} child" for client, child in PAIRS) + " |", "|---" * 5 + "|"]
    rows += [f"| {feature.name} | " + " | ".join(feature.cells) + " |" for feature in FEATURES]
    return "\n".join(rows)


def _document(tap: Tap, write: bool) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if write:
        DOCUMENT.write_text(wanted, encoding="utf-8")
    same = DOCUMENT.read_text(encoding="utf-8") == wanted
    tap.check("docs/compatibility.md", [] if same else ["the table is another one; `run.py --write compatibility` makes it anew"])
