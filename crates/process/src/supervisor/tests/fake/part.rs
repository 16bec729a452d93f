//! What a fake child does with what it is sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Fake, Fakes, Handshake, Manner};
use crate::exit::Exit;

/// What a child does.
pub(super) struct Part {
    pub(super) of: Arc<Fakes>,
    pub(super) fake: Arc<Fake>,
    pub(super) manner: Manner,
}

/// Where it writes; `None` once it has closed its stdout.
type Out = Arc<tokio::sync::Mutex<Option<DuplexStream>>>;

impl Part {
    pub(super) async fn play(self, reads: DuplexStream, writes: DuplexStream) {
        let out = Arc::new(tokio::sync::Mutex::new(Some(writes)));
        let exit = tokio::select! {
            exit = self.perform(BufReader::new(reads), out) => exit,
            exit = self.fake.exited() => exit,
        };
        self.fake.die(exit);
    }

    async fn perform(&self, reads: BufReader<DuplexStream>, out: Out) -> Exit {
        let mut lines = reads.lines();
        // Ended with it.
        let mut later = JoinSet::new();
        let mut asked: HashMap<u64, Value> = HashMap::new();
        let (age_to, mut age) = mpsc::channel(1);
        loop {
            let mut frozen = self.fake.frozen.subscribe();
            drop(frozen.wait_for(|frozen| !frozen).await);
            let line = tokio::select! {
                line = lines.next_line() => line,
                Some(()) = age.recv() => return Exit::Code(1),
                _ = frozen.changed() => continue,
            };
            let Ok(Some(line)) = line else {
                if self.manner.leaves {
                    return Exit::Code(0);
                }
                return std::future::pending().await;
            };
            if !self.manner.thinks.is_zero() {
                sleep(self.manner.thinks).await;
            }
            let message: Value = serde_json::from_str(&line).expect("it is sent JSON");
            let id = message["id"].clone();
            match message["method"].as_str() {
                Some("initialize") => {
                    let client = message["params"]["clientInfo"]["name"].as_str();
                    self.of.opened(&self.fake, client.unwrap_or_default());
                    match self.manner.handshake {
                        Handshake::Answers(after) => {
                            sleep(after).await;
                            write(&out, &answer(&id, &greeting())).await;
                            if let Some(lives) = self.manner.lives {
                                let age_to = age_to.clone();
                                later.spawn(async move {
                                    sleep(lives).await;
                                    let _sent = age_to.send(()).await;
                                });
                            }
                        }
                        Handshake::Refuses => {
                            let error = json!({"code": -32603, "message": "not today"});
                            write(&out, &json!({"jsonrpc": "2.0", "id": id, "error": error})).await;
                        }
                        Handshake::Junk => write(&out, &answer(&id, &json!({"junk": 1}))).await,
                        Handshake::Silence => {}
                        Handshake::Dies(after) => {
                            sleep(after).await;
                            return Exit::Code(1);
                        }
                        Handshake::ClosesStdout => drop(out.lock().await.take()),
                    }
                }
                Some("tools/call") => {
                    let arguments = message["params"]["arguments"].clone();
                    match message["params"]["name"].as_str() {
                        Some("crash") => return Exit::Code(7),
                        Some("hang") => {}
                        Some("ask") => {
                            let question = self.fake.number * 1_000_000 + asked.len() as u64;
                            asked.insert(question, id);
                            write(&out, &elicitation(question)).await;
                        }
                        Some("work") => {
                            // Deaf to everything else meanwhile.
                            sleep(Duration::from_millis(millis_of(&arguments))).await;
                            write(&out, &answer(&id, &said("worked"))).await;
                        }
                        Some("delay") => {
                            let out = Arc::clone(&out);
                            let takes = Duration::from_millis(millis_of(&arguments));
                            later.spawn(async move {
                                sleep(takes).await;
                                write(&out, &answer(&id, &said("done"))).await;
                            });
                        }
                        _ => {
                            let number = self.fake.number.to_string();
                            write(&out, &answer(&id, &said(&number))).await;
                        }
                    }
                }
                Some(method) if !id.is_null() => {
                    if method == "ping" {
                        self.fake.pings.send_modify(|pings| *pings += 1);
                    }
                    write(&out, &answer(&id, &json!({}))).await;
                }
                Some(_) => {}
                None => {
                    if let Some(call) = id.as_u64().and_then(|id| asked.remove(&id)) {
                        write(&out, &answer(&call, &said("answered"))).await;
                    }
                }
            }
        }
    }
}

fn millis_of(arguments: &Value) -> u64 {
    arguments["ms"].as_u64().expect("it is told how many")
}

async fn write(out: &Out, message: &Value) {
    if let Some(out) = &mut *out.lock().await {
        let _gone = out.write_all(format!("{message}\n").as_bytes()).await;
    }
}

fn answer(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn said(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn greeting() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {"subscribe": true}, "logging": {}},
        "serverInfo": {"name": "fake", "version": "1"},
    })
}

fn elicitation(id: u64) -> Value {
    let params = json!({"message": "?", "requestedSchema": {"type": "object", "properties": {}}});
    json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params})
}
