//! A stdio MCP server that does as little as one can: the child behind every proxy measured here.
//!
//! Owns its tools `echo`, `blob`, `progress_echo` and `announce`. Must not know who asks. One
//! thread, one read for what is there, one write for all of its answers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use standpipe_bench::arguments::Arguments;
use standpipe_bench::scan::{self, Message};

/// The first size of the input buffer; it grows with what does not fit.
const INPUT: usize = 256 * 1024;

/// What `blob` answers consists of.
const PATTERN: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

const INITIALIZE: &[u8] = br#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"bench-echo","version":"1"}}"#;
const DISCOVER: &[u8] = br#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench-echo","version":"1"}}}"#;
const LIST_CHANGED: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n";

/// Which handshakes are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
    Either,
}

struct Server {
    era: Era,
    /// The last blob asked for, so that it is made once.
    blob: Vec<u8>,
    out: Vec<u8>,
}

fn main() -> io::Result<()> {
    let mut arguments = Arguments::of_process();
    let era = match arguments.one::<String>("--era")?.as_deref() {
        None | Some("legacy") => Era::Legacy,
        Some("modern") => Era::Modern,
        Some("either") => Era::Either,
        Some(_) => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    arguments.finish()?;
    // The files themselves: the standard handles would buffer a second time.
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut server = Server { era, blob: Vec::new(), out: Vec::with_capacity(INPUT) };
    let mut input = vec![0; INPUT];
    let (mut start, mut searched, mut filled) = (0, 0, 0);
    loop {
        if start == filled {
            (start, searched, filled) = (0, 0, 0);
        } else if filled == input.len() {
            if start > 0 {
                input.copy_within(start.., 0);
                (searched, filled, start) = (searched - start, filled - start, 0);
            } else {
                input.resize(input.len() * 2, 0);
            }
        }
        let count = stdin.read(&mut input[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        while let Some(length) = memchr::memchr(b'\n', &input[searched..filled]) {
            server.answer(&input[start..searched + length]);
            searched += length + 1;
            start = searched;
        }
        searched = filled;
        if !server.out.is_empty() {
            stdout.write_all(&server.out)?;
            server.out.clear();
        }
    }
}

impl Server {
    fn answer(&mut self, line: &[u8]) {
        let Some(message) = scan::message(line) else {
            return;
        };
        // Notifications want no answer.
        let (Some(id), Some(method)) = (message.id, message.method) else {
            return;
        };
        let id = id.of(line);
        match (method.of(line), self.era) {
            (b"tools/call", _) => self.call(id, line, &message),
            (b"initialize", Era::Legacy | Era::Either) => {
                self.era = Era::Legacy;
                self.result(id, &[INITIALIZE]);
            }
            (b"server/discover", Era::Modern | Era::Either) => {
                self.era = Era::Modern;
                self.result(id, &[DISCOVER]);
            }
            (b"initialize", Era::Modern) => self.error(
                id,
                br#"-32022,"message":"unsupported","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}"#,
            ),
            (b"ping", Era::Legacy) => self.result(id, &[b"{}"]),
            (b"tools/list", _) => self.list(id),
            _ => self.error(id, br#"-32601,"message":"no such method""#),
        }
    }

    fn list(&mut self, id: &[u8]) {
        let tools = ["echo", "blob", "progress_echo", "announce"]
            .map(|name| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#));
        let modern = match self.era {
            Era::Modern => r#","resultType":"complete","ttlMs":60000,"cacheScope":"private""#,
            Era::Legacy | Era::Either => "",
        };
        let result = format!(r#"{{"tools":[{}]{modern}}}"#, tools.join(","));
        self.result(id, &[result.as_bytes()]);
    }

    fn call(&mut self, id: &[u8], line: &[u8], message: &Message) {
        let text = message.text.map_or(&b""[..], |text| text.of(line));
        match message.name.map_or(&b""[..], |name| name.of(line)) {
            b"echo" => self.text(id, text),
            b"progress_echo" => {
                if let Some(token) = message.token {
                    for part in [
                        br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#,
                        token.of(line),
                        b",\"progress\":1}}\n",
                    ] {
                        self.out.extend_from_slice(part);
                    }
                }
                self.text(id, text);
            }
            b"blob" => {
                let size = message.bytes.and_then(|bytes| {
                    std::str::from_utf8(bytes.of(line)).ok()?.parse::<usize>().ok()
                });
                let size = size.unwrap_or_default();
                if self.blob.len() != size {
                    self.blob = PATTERN.iter().copied().cycle().take(size).collect();
                }
                let blob = std::mem::take(&mut self.blob);
                self.text(id, &blob);
                self.blob = blob;
            }
            b"announce" => {
                self.text(id, text);
                self.out.extend_from_slice(LIST_CHANGED);
            }
            _ => self.error(id, br#"-32602,"message":"no such tool""#),
        }
    }

    fn text(&mut self, id: &[u8], text: &[u8]) {
        let end: &[u8] = match self.era {
            Era::Modern => br#""}],"resultType":"complete"}"#,
            Era::Legacy | Era::Either => br#""}]}"#,
        };
        self.result(id, &[br#"{"content":[{"type":"text","text":""#, text, end]);
    }

    fn result(&mut self, id: &[u8], parts: &[&[u8]]) {
        self.out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        self.out.extend_from_slice(id);
        self.out.extend_from_slice(br#","result":"#);
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.out.extend_from_slice(b"}\n");
    }

    fn error(&mut self, id: &[u8], code_and_more: &[u8]) {
        self.out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        self.out.extend_from_slice(id);
        self.out.extend_from_slice(br#","error":{"code":"#);
        self.out.extend_from_slice(code_and_more);
        self.out.extend_from_slice(b"}}\n");
    }
}
