"""The conversations, one per server: every kind of request, successes and errors of each kind.

They are data: the drivers know how to make a call, this file knows which.
"""

from pathlib import Path

from .servers import Step, step, tool, zone_far_from_midnight


def demo(_folder: Path) -> list[Step]:
    return [
        step("tools", "tools/list"),
        step("resources", "resources/list"),
        step("templates", "resources/templates/list"),
        step("prompts", "prompts/list"),
        tool("echo", "echo", {"message": "żółw \u2028 🐢 \"quoted\" \\ back"}),
        tool("echo-missing", "echo"),
        tool("add", "add", {"a": 1, "b": 2.5}),
        tool("add-wrong", "add", {"a": "one", "b": 2}),
        tool("countdown", "countdown", {"steps": 3, "delay_ms": 250}, progress=True),
        tool("greet", "greet"),
        tool("unknown-tool", "no-such-tool"),
        step("read", "resources/read", {"uri": "demo://about"}),
        step("read-unknown", "resources/read", {"uri": "demo://no/such"}),
        step("prompt", "prompts/get", {"name": "welcome", "arguments": {"name": "Zoë"}}),
        step("prompt-missing", "prompts/get", {"name": "welcome"}),
        step("prompt-unknown", "prompts/get", {"name": "no-such-prompt"}),
        step("level", "logging/setLevel", {"level": "error"}),
        step("ping", "ping"),
    ]


def demo_raw(_folder: Path) -> list[Step]:
    return [
        step("unknown-method", "no/such/method"),
        step("level-debug", "logging/setLevel", {"level": "debug"}),
        tool("countdown-logged", "countdown", {"steps": 2, "delay_ms": 20}, progress=True, messages=True),
        step("level-wrong", "logging/setLevel", {"level": "loud"}),
    ]


def fixture(_folder: Path) -> list[Step]:
    return [
        step("tools", "tools/list"),
        step("resources", "resources/list"),
        step("templates", "resources/templates/list"),
        step("prompts", "prompts/list"),
        tool("text", "test_simple_text"),
        tool("image", "test_image_content"),
        tool("audio", "test_audio_content"),
        tool("embedded", "test_embedded_resource"),
        tool("mixed", "test_multiple_content_types"),
        tool("error", "test_error_handling"),
        tool("progress", "progress", {"steps": 3, "delay_ms": 250}, progress=True),
        tool("sampling", "test_sampling", {"prompt": "what now?"}),
        tool("elicitation", "test_elicitation", {"message": "who are you?"}),
        tool("unknown-tool", "no-such-tool"),
        step("read-static", "resources/read", {"uri": "test://static-text"}),
        step("read-binary", "resources/read", {"uri": "test://static-binary"}),
        step("read-unknown", "resources/read", {"uri": "test://no/such"}),
        step("prompt", "prompts/get", {"name": "test_simple_prompt"}),
        step("prompt-arguments", "prompts/get", {"name": "test_prompt_with_arguments", "arguments": {"arg1": "one", "arg2": "two"}}),
        step("subscribe", "resources/subscribe", {"uri": "test://watched-resource"}),
        step("unsubscribe", "resources/unsubscribe", {"uri": "test://watched-resource"}),
        step("level", "logging/setLevel", {"level": "error"}),
        step("ping", "ping"),
    ]


def fixture_raw(_folder: Path) -> list[Step]:
    odd = '{"n":1.0,"e":1E+2,"big":123456789012345678901234567890,"z":-0,"u":"\\u0041\\ud83d\\ude00","s":"\\/","nul":null,"o":{"b":1,"a":[ ]}}'
    return [
        step("unknown-method", "no/such/method"),
        {
            "name": "raw-echo",
            "method": "tools/call",
            "raw": '{"name":"echo_raw","arguments":' + odd + ',"extra":{"kept":1.50}}',
            "shows_metadata": True,
        },
        {"name": "raw-text", "method": "tools/call", "raw": '{"arguments":' + odd + ',"name":"echo"}'},
        {
            "name": "raw-progress",
            "method": "tools/call",
            "raw": '{"name":"progress","_meta":{"vendor.example/kept":{"a":1.0},"progressToken":"tok-\\u00e9"},"arguments":{"steps":3,"delay_ms":1}}',
        },
        {
            "name": "raw-progress-number",
            "method": "tools/call",
            "raw": '{"_meta":{"progressToken":7},"name":"progress","arguments":{"steps":2,"delay_ms":1}}',
        },
        tool("progress-of-100", "test_tool_with_progress", progress=True),
        # The error says at which character the name is missing.
        step("no-params-tool", "tools/call", shows_metadata=True),
        step("level-debug", "logging/setLevel", {"level": "debug"}),
        tool("logged", "test_tool_with_logging", messages=True),
        tool("error-data", "fail", {"code": -32099, "message": "open this", "data": {"a": [1.0, None], "b": "\u2028"}}),
    ]


def everything(_folder: Path) -> list[Step]:
    return [
        step("tools", "tools/list"),
        step("resources", "resources/list"),
        step("templates", "resources/templates/list"),
        step("prompts", "prompts/list"),
        tool("echo", "echo", {"message": "żółw \u2028 🐢 \"quoted\" \\ back"}),
        tool("echo-missing", "echo"),
        tool("sum", "get-sum", {"a": 1.5, "b": 40}),
        tool("sum-wrong", "get-sum", {"a": "one", "b": 2}),
        tool("image", "get-tiny-image"),
        tool("annotated", "get-annotated-message", {"messageType": "error", "includeImage": True}),
        tool("links", "get-resource-links", {"count": 3}),
        tool("structured", "get-structured-content", {"location": "Chicago"}),
        tool("structured-wrong", "get-structured-content", {"location": "Atlantis"}),
        tool("progress", "trigger-long-running-operation", {"duration": 1, "steps": 4}, progress=True),
        tool("sampling", "trigger-sampling-request", {"prompt": "what now?", "maxTokens": 7}),
        tool("elicitation", "trigger-elicitation-request"),
        tool("url-elicitation", "trigger-url-elicitation", {"url": "https://example.org/open", "elicitationId": "fixed-1"}),
        tool("roots", "get-roots-list"),
        tool("unknown-tool", "no-such-tool"),
        step("read", "resources/read", {"uri": "demo://resource/static/document/features.md"}),
        step("read-unknown", "resources/read", {"uri": "demo://no/such"}),
        step("prompt", "prompts/get", {"name": "simple-prompt"}),
        step("prompt-arguments", "prompts/get", {"name": "args-prompt", "arguments": {"city": "Łódź", "state": "PL"}}),
        step("prompt-missing", "prompts/get", {"name": "args-prompt"}),
        step("prompt-unknown", "prompts/get", {"name": "no-such-prompt"}),
        step(
            "completion",
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "completable-prompt"},
                "argument": {"name": "name", "value": "D"},
                "context": {"arguments": {"department": "Sales"}},
            },
        ),
        step(
            "completion-template",
            "completion/complete",
            {
                "ref": {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"},
                "argument": {"name": "resourceId", "value": "2"},
            },
        ),
        step("subscribe", "resources/subscribe", {"uri": "demo://resource/dynamic/text/1"}),
        step("unsubscribe", "resources/unsubscribe", {"uri": "demo://resource/dynamic/text/1"}),
        step("level", "logging/setLevel", {"level": "warning"}),
        step("ping", "ping"),
    ]


def everything_raw(_folder: Path) -> list[Step]:
    return [
        step("unknown-method", "no/such/method"),
        step("call-without-name", "tools/call", {}),
        step("level-wrong", "logging/setLevel", {"level": "loud"}),
        {
            "name": "escaped",
            "method": "tools/call",
            "raw": '{"name":"echo","arguments":{"message":"\\u0041\\/\\ud83d\\ude00\\t","ignored":1.0e+2}}',
        },
    ]


def filesystem(folder: Path) -> list[Step]:
    return [
        step("tools", "tools/list"),
        tool("allowed", "list_allowed_directories"),
        tool("read", "read_text_file", {"path": f"{folder}/hello.txt"}),
        tool("head", "read_text_file", {"path": f"{folder}/hello.txt", "head": 1}),
        tool("read-several", "read_multiple_files", {"paths": [f"{folder}/hello.txt", f"{folder}/none"]}),
        tool("media", "read_media_file", {"path": f"{folder}/pixel.png"}),
        tool("list", "list_directory", {"path": str(folder)}),
        tool("sizes", "list_directory_with_sizes", {"path": str(folder), "sortBy": "size"}),
        tool("tree", "directory_tree", {"path": str(folder)}),
        tool("write", "write_file", {"path": f"{folder}/new.txt", "content": "zażółć\r\ngęślą \U0001f600\n"}),
        tool("read-written", "read_text_file", {"path": f"{folder}/new.txt"}),
        tool("edit", "edit_file", {"path": f"{folder}/hello.txt", "edits": [{"oldText": "line two", "newText": "LINE 2"}]}),
        tool("move", "move_file", {"source": f"{folder}/new.txt", "destination": f"{folder}/nested/moved.txt"}),
        tool("mkdir", "create_directory", {"path": f"{folder}/nested/more"}),
        tool("search", "search_files", {"path": str(folder), "pattern": "**/*.txt"}),
        tool("outside", "read_text_file", {"path": "/etc/hostname"}),
        tool("missing", "read_text_file", {"path": f"{folder}/none.txt"}),
        tool("wrong-arguments", "read_text_file", {"path": 7}),
        tool("unknown-tool", "no-such-tool"),
        step("resources", "resources/list"),
        step("ping", "ping"),
    ]


def memory(_folder: Path) -> list[Step]:
    return [
        step("tools", "tools/list"),
        tool("empty", "read_graph"),
        tool(
            "create",
            "create_entities",
            {
                "entities": [
                    {"name": "Ada", "entityType": "person", "observations": ["likes numbers"]},
                    {"name": "Engine", "entityType": "machine", "observations": []},
                ]
            },
        ),
        tool("relate", "create_relations", {"relations": [{"from": "Ada", "to": "Engine", "relationType": "programs"}]}),
        tool("observe", "add_observations", {"observations": [{"entityName": "Ada", "contents": ["wrote note G"]}]}),
        tool("observe-nobody", "add_observations", {"observations": [{"entityName": "Nobody", "contents": ["x"]}]}),
        tool("search", "search_nodes", {"query": "note"}),
        tool("open", "open_nodes", {"names": ["Engine"]}),
        tool("graph", "read_graph"),
        tool("forget", "delete_entities", {"entityNames": ["Engine"]}),
        tool("graph-after", "read_graph"),
        tool("wrong", "create_entities", {"entities": "none"}),
        tool("unknown-tool", "no-such-tool"),
        step("prompts", "prompts/list"),
        step("ping", "ping"),
    ]


def time(_folder: Path) -> list[Step]:
    zone = zone_far_from_midnight()
    convert = {"source_timezone": zone, "time": "16:30", "target_timezone": "Asia/Kolkata"}
    return [
        step("tools", "tools/list"),
        tool("convert", "convert_time", convert),
        tool("convert-wrong-time", "convert_time", {**convert, "time": "25:99"}),
        tool("convert-wrong-zone", "convert_time", {**convert, "target_timezone": "Mars/Olympus"}),
        tool("now-wrong-zone", "get_current_time", {"timezone": "Nowhere"}),
        tool("missing", "convert_time", {"time": "16:30"}),
        tool("unknown-tool", "no-such-tool"),
        step("ping", "ping"),
    ]


def git(folder: Path) -> list[Step]:
    repo = {"repo_path": str(folder)}
    return [
        step("tools", "tools/list"),
        tool("status", "git_status", repo),
        tool("unstaged", "git_diff_unstaged", repo),
        tool("log", "git_log", {**repo, "max_count": 5}),
        tool("show", "git_show", {**repo, "revision": "HEAD"}),
        tool("diff", "git_diff", {**repo, "target": "HEAD~1"}),
        tool("add", "git_add", {**repo, "files": ["a.txt"]}),
        tool("staged", "git_diff_staged", repo),
        tool("commit", "git_commit", {**repo, "message": "Third"}),
        tool("branch-new", "git_create_branch", {**repo, "branch_name": "topic"}),
        tool("checkout", "git_checkout", {**repo, "branch_name": "topic"}),
        tool("branches", "git_branch", {**repo, "branch_type": "local"}),
        tool("log-after", "git_log", {**repo, "max_count": 1}),
        tool("wrong-revision", "git_show", {**repo, "revision": "no-such"}),
        tool("wrong-folder", "git_status", {"repo_path": "/nonexistent"}),
        tool("missing", "git_show", repo),
        tool("unknown-tool", "no-such-tool"),
        step("ping", "ping"),
    ]
