//! The small server, and the places where each fault shows.
//!
//! Owns the loop. It is single-threaded but for the flood of notifications, which must not keep the
//! server from answering.

use std::io::{self, StdinLock};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use standpipe_testkit::wire::{self, Incoming, Line, Outlet};
use standpipe_testkit::{Grandchild, ignore_polite_signals};

use crate::fault::Fault;
use crate::noise;
use crate::options::Options;

/// A process that ignores everything ends by itself after this long, so that a failed test leaves
/// nothing for ever.
const LIFETIME: Duration = Duration::from_mins(10);

/// 50 MiB: many times what a pipe holds.
const STDERR_BYTES: usize = 50 << 20;

/// 20 MiB: more than most limits on a message.
const LINE_BYTES: usize = 20 << 20;

/// Together 100 MB.
const NOTIFICATIONS: u64 = 100_000;
const NOTIFICATION_BYTES: usize = 1000;

/// A nasty server.
struct Server<'a> {
    options: &'a Options,
    out: Arc<Outlet>,
    grandchild: Option<u32>,
}

/// Whether the loop goes on.
enum Next {
    Read,
    /// Read no more, but stay.
    Stay,
    End(u8),
}

/// Runs the server until it ends in its own way.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut server = Server { options, out: Arc::default(), grandchild: None };
    let next = server.start();
    let next = if matches!(next, Next::Read) { server.serve() } else { next };
    match next {
        Next::End(code) => ExitCode::from(code),
        Next::Read | Next::Stay => {
            std::thread::sleep(LIFETIME);
            ExitCode::SUCCESS
        }
    }
}

impl Server<'_> {
    /// What happens before anything is read.
    fn start(&mut self) -> Next {
        match self.options.fault {
            Fault::ExitAtOnce => return Next::End(self.options.code),
            Fault::NeverRead if !self.options.after => return Next::Stay,
            Fault::SlowStart => std::thread::sleep(Duration::from_millis(self.options.ms)),
            Fault::StderrFlood => noise::stderr(self.options.bytes.unwrap_or(STDERR_BYTES)),
            Fault::Banner => noise::banner(&self.out),
            Fault::IgnoreTerm => ignore_polite_signals(),
            Fault::Grandchild => match self.spawn_grandchild() {
                Ok(pid) => self.grandchild = Some(pid),
                Err(_) => return Next::End(71),
            },
            _ => {}
        }
        Next::Read
    }

    /// Starts a grandchild that stays, whatever becomes of this process.
    fn spawn_grandchild(&self) -> io::Result<u32> {
        let grandchild = Grandchild {
            setsid: self.options.setsid,
            clear_env: self.options.clear_env,
            ignore_term: true,
            hold_stdout: true,
            hold_stderr: true,
        };
        grandchild.spawn()
    }

    fn serve(&self) -> Next {
        let mut input: StdinLock<'static> = io::stdin().lock();
        let mut buffer = Vec::new();
        while let Ok(Some(line)) = wire::read_line(&mut input, &mut buffer) {
            let Line::Message(message) = line else {
                continue;
            };
            let next = match *message {
                Incoming { id: Some(id), method: Some(method), params, .. } => {
                    self.request(id.get(), &method, params.as_deref())
                }
                Incoming { method: Some(method), .. } => self.notification(&method),
                _ => Next::Read,
            };
            if !matches!(next, Next::Read) {
                return next;
            }
        }
        match self.options.fault {
            Fault::IgnoreEof | Fault::IgnoreTerm => Next::Stay,
            Fault::LateGrandchild if self.spawn_grandchild().is_err() => Next::End(71),
            _ => Next::End(0),
        }
    }

    fn notification(&self, method: &str) -> Next {
        if method != "notifications/initialized" {
            return Next::Read;
        }
        match self.options.fault {
            Fault::NeverRead => return Next::Stay,
            Fault::NotificationFlood => {
                let out = Arc::clone(&self.out);
                let count = self.options.count.unwrap_or(NOTIFICATIONS);
                let bytes = self.options.bytes.unwrap_or(NOTIFICATION_BYTES);
                std::thread::spawn(move || noise::notifications(&out, count, bytes));
            }
            _ => {}
        }
        Next::Read
    }

    fn request(&self, id: &str, method: &str, params: Option<&RawValue>) -> Next {
        let fault = self.options.fault;
        match (method, fault) {
            ("server/discover", Fault::DieOnDiscover) => return Next::End(self.options.code),
            ("initialize", Fault::DieInHandshake) if !self.options.after => {
                return Next::End(self.options.code);
            }
            ("initialize", Fault::NoInitializeAnswer) => return Next::Read,
            ("initialize", _) => self.answer(id, &initialize(params)),
            ("ping", _) => self.answer(id, "{}"),
            ("tools/list", _) => self.answer(id, TOOLS),
            ("tools/call", _) => return self.call(id, params),
            _ => self.send(&wire::failure(id, -32601, "method not found", None), id),
        }
        match (method, fault) {
            ("initialize", Fault::DieInHandshake) => Next::End(self.options.code),
            ("initialize", Fault::CloseStdout) => close_stdout(),
            _ => Next::Read,
        }
    }

    fn call(&self, id: &str, params: Option<&RawValue>) -> Next {
        #[derive(Deserialize)]
        struct Params {
            name: String,
            #[serde(default)]
            arguments: Arguments,
        }
        #[derive(Default, Deserialize)]
        struct Arguments {
            bytes: Option<usize>,
        }
        let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
        let Some(Params { name, arguments }) = params else {
            self.send(&wire::failure(id, -32602, "invalid params", None), id);
            return Next::Read;
        };
        let bytes = arguments.bytes.or(self.options.bytes);
        match name.as_str() {
            "hello" => self.text(id, "hello"),
            "hang" => {}
            "pid" => self.text(id, &std::process::id().to_string()),
            "grandchild" => match self.grandchild {
                Some(pid) => self.text(id, &pid.to_string()),
                None => self.text(id, "none"),
            },
            "die" => {
                std::thread::sleep(Duration::from_millis(self.options.ms));
                return Next::End(self.options.code);
            }
            "stderr" => {
                noise::stderr(bytes.unwrap_or(STDERR_BYTES));
                self.text(id, "written");
            }
            "long_answer" => {
                self.send(&noise::long_answer(id, bytes.unwrap_or(LINE_BYTES)), id);
            }
            "long_noise" => {
                noise::line_without_end(&self.out, bytes.unwrap_or(LINE_BYTES));
                self.out.send_bytes(b"\n");
                self.text(id, "written");
            }
            "endless_line" => {
                noise::line_without_end(&self.out, bytes.unwrap_or(LINE_BYTES));
            }
            _ => {
                let message = format!("unknown tool: {name}");
                self.send(&wire::failure(id, -32602, &message, None), id);
            }
        }
        Next::Read
    }

    fn text(&self, id: &str, text: &str) {
        let text = wire::quote(text);
        self.answer(id, &format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#));
    }

    fn answer(&self, id: &str, result: &str) {
        self.send(&wire::response(id, result), id);
    }

    /// Sends a response, with whatever the fault adds to one.
    fn send(&self, response: &str, id: &str) {
        match self.options.fault {
            Fault::AnswerTwice => {
                let second = wire::response(id, r#"{"content":[{"type":"text","text":"again"}]}"#);
                self.out.send_all(&[response.to_owned(), second]);
            }
            Fault::Banner => {
                // A carriage return before the newline is white space, so this stays a message.
                self.out.send_bytes(&[response.as_bytes(), b"\r\n"].concat());
                noise::banner(&self.out);
            }
            Fault::WrongJson => {
                noise::wrong_json(&self.out, id);
                self.out.send(response);
            }
            _ => self.out.send(response),
        }
    }
}

const TOOLS: &str = concat!(
    r#"{"tools":["#,
    r#"{"name":"hello","description":"Answers hello","inputSchema":{"type":"object"}},"#,
    r#"{"name":"hang","description":"Never answers","inputSchema":{"type":"object"}},"#,
    r#"{"name":"pid","description":"Answers with the process id","inputSchema":{"type":"object"}},"#,
    r#"{"name":"grandchild","description":"Answers with the process id of the grandchild","inputSchema":{"type":"object"}},"#,
    r#"{"name":"die","description":"Ends the process","inputSchema":{"type":"object"}},"#,
    r#"{"name":"stderr","description":"Floods stderr","inputSchema":{"type":"object"}},"#,
    r#"{"name":"long_answer","description":"Answers with a long line","inputSchema":{"type":"object"}},"#,
    r#"{"name":"long_noise","description":"Answers after a long line that is no message","inputSchema":{"type":"object"}},"#,
    r#"{"name":"endless_line","description":"Writes a long line, no newline and no answer","inputSchema":{"type":"object"}}"#,
    r"]}"
);

/// The result of `initialize`, in the revision asked for.
fn initialize(params: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        protocol_version: String,
    }
    let version = params
        .and_then(|params| serde_json::from_str(params.get()).ok())
        .map_or("2025-11-25".to_owned(), |Params { protocol_version }| protocol_version);
    let version = wire::quote(&version);
    format!(
        r#"{{"protocolVersion":{version},"capabilities":{{"logging":{{}},"tools":{{}}}},"serverInfo":{{"name":"standpipe-nasty","version":"1.0.0"}}}}"#
    )
}

/// Puts the null device in stdout's place, which closes the pipe.
fn close_stdout() -> Next {
    let null = std::fs::File::options().write(true).open("/dev/null");
    match null.map(nix::unistd::dup2_stdout) {
        Ok(Ok(())) => Next::Read,
        _ => Next::End(71),
    }
}
