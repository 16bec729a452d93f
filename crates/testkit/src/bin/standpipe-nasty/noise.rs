//! What the faults write: banners, floods, long lines, wrong messages.
//!
//! Owns the bytes. It reads nothing and decides nothing.

use std::io::Write;

use standpipe_testkit::wire::{self, Outlet};

/// Long lines are written in pieces of this size, to need little memory.
const PIECE: usize = 64 * 1024;

/// Every byte but the newline, none of which makes a message.
const BINARY: [u8; 255] = {
    let mut bytes = [0; 255];
    let mut index = 0;
    let mut byte = 0_u8;
    while index < bytes.len() {
        if byte == b'\n' {
            byte += 1;
        }
        bytes[index] = byte;
        index += 1;
        byte = byte.wrapping_add(1);
    }
    bytes
};

/// Lines that are no messages: text, control sequences, binary, blanks.
pub(crate) fn banner(out: &Outlet) {
    out.send_bytes(
        b"  _  _  __ _ __| |_ _  _\n\n\x1b[1;32mStarting server\x1b[0m \xf0\x9f\x9a\x80\n",
    );
    out.send_bytes(&BINARY);
    out.send_bytes(b"\n\xff\xfe\n\r\n\x00\x00\x00\n{\"level\":\"info\",\"msg\":\"ready\"}\n");
    out.send_bytes(b"\"a string\"\n42\nnull\n{\n}\n");
}

/// Lines that look like messages but belong to nothing.
pub(crate) fn wrong_json(out: &Outlet, id: &str) {
    let lines = [
        r#"{"jsonrpc":"2.0","id":987654321,"result":{"content":[]}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":"nobody","error":{"code":-32603,"message":"unknown"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","result":{}}"#.to_owned(),
        format!("[{}]", wire::response(id, "{}")),
        "[]".to_owned(),
        "{}".to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"#),
        format!(r#"{{"jsonrpc":"2.0","id":{{"nested":{id}}},"result":{{}}}}"#),
        r#"{"jsonrpc":"2.0","method":42}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/unheard-of","params":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":7,"method":"unheard/of"}"#.to_owned(),
    ];
    out.send_all(&lines);
}

/// `bytes` bytes without a newline.
pub(crate) fn line_without_end(out: &Outlet, bytes: usize) {
    let piece = vec![b'x'; PIECE];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(PIECE);
        out.send_bytes(&piece[..part]);
        left -= part;
    }
}

/// An answer whose line is `bytes` bytes long, or as short as an answer can be.
pub(crate) fn long_answer(id: &str, bytes: usize) -> String {
    let answer = |text: &str| {
        wire::response(id, &format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#))
    };
    let frame = answer("").len();
    answer(&"x".repeat(bytes.saturating_sub(frame)))
}

/// `count` log messages of `bytes` bytes of text each; zero is for ever.
pub(crate) fn notifications(out: &Outlet, count: u64, bytes: usize) {
    let data = "x".repeat(bytes);
    let params = format!(r#"{{"level":"info","logger":"flood","data":"{data}"}}"#);
    let message = wire::notification("notifications/message", &params);
    let mut sent = 0;
    while count == 0 || sent < count {
        out.send(&message);
        sent += 1;
    }
}

/// `bytes` bytes to standard error, in lines of 1 KiB.
pub(crate) fn stderr(bytes: usize) {
    let mut line = [b'#'; 1024];
    line[1023] = b'\n';
    let mut stderr = std::io::stderr().lock();
    let mut left = bytes;
    while left > 0 {
        let part = left.min(line.len());
        // Where nobody listens any more there is nothing to flood.
        if stderr.write_all(&line[line.len() - part..]).is_err() {
            return;
        }
        left -= part;
    }
}
