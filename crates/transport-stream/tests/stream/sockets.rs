//! Over real connections: what a client that goes away, or does not read, really looks like.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::*;

const STREAMS: &str = r#"standpipe_open_streams{service="demo",transport="streamable_http"}"#;

/// Serves the world's one service on a port of its own.
async fn listen(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (transport, route) = (world.transport.clone(), world.route.clone());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (transport, route) = (transport.clone(), route.clone());
            let service = service_fn(move |request| {
                let (transport, route) = (transport.clone(), route.clone());
                async move { Ok::<_, Infallible>(handled(&transport, &route, request).await) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    address
}

async fn begin(address: SocketAddr, session: &str, id: u32) -> TcpStream {
    let body = call(id);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: x\r\naccept: */*\r\ncontent-type: application/json\r\n\
         mcp-session-id: {session}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Reads until `wanted` has come.
async fn read_until(socket: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = vec![0; 64 * 1024];
    while !text.contains(wanted) {
        let read = timeout(Duration::from_mins(1), socket.read(&mut buffer)).await;
        let read = read.expect("more to read").unwrap();
        assert!(read > 0, "the connection ended before {wanted:?}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let patience = async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_mins(1), patience).await.expect(what);
}

#[tokio::test]
async fn a_connection_that_breaks_gives_the_stream_back() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let address = listen(&world).await;
    let mut socket = begin(address, &session, 1).await;
    let asked = world.child.asked().await;
    asked.notify(&log("one"));
    let text = read_until(&mut socket, "\"one\"}}\n\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("id: 0/0\nretry: 1000\ndata: \n\n"), "{text}");
    assert_eq!(world.metric(STREAMS), "1");
    drop(socket);
    until("the broken connection is noticed", || world.metric(STREAMS) == "0").await;
    assert!(!asked.reply.is_closed());
    asked.answer("{}");
    let mut events = world.listen(&session, Some("0/1")).await;
    let last = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(events.next().await.unwrap(), event("0/2", last));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_client_that_goes_before_its_response_began_is_noticed() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let address = listen(&world).await;
    let socket = begin(address, &session, 1).await;
    let asked = world.child.asked().await;
    drop(socket);
    // The next request of the session is served, and the call goes on.
    let mut socket = begin(address, &session, 2).await;
    let second = world.child.asked().await;
    second.answer("{\"second\":true}");
    let text = read_until(&mut socket, "{\"second\":true}}").await;
    assert!(text.contains("content-length: "), "{text}");
    assert!(!asked.reply.is_closed());
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_little_and_gets_its_answer_in_the_end() {
    let mut world = World::new();
    let session = world.open("2025-11-25").await;
    let address = listen(&world).await;
    let mut socket = begin(address, &session, 1).await;
    let asked = world.child.asked().await;
    let text = "x".repeat(10_000);
    for _ in 0..5_000 {
        let _lagged = asked.reply.deliver(message(&log(&text)));
        assert!(world.answers.used() < 16 * 1024 * 1024, "{}", world.answers.used());
        tokio::task::yield_now().await;
    }
    let reply = asked.reply.clone();
    asked.answer("{\"late\":true}");
    // Reads at last: its connection is ended, or has it all.
    let mut all = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = timeout(Duration::from_mins(1), socket.read(&mut buffer)).await;
        match read.expect("the end of the stream") {
            Ok(read) if read > 0 => all.extend_from_slice(&buffer[..read]),
            _ => break,
        }
        // The body's end is the end, though the connection stays.
        if all.ends_with(b"0\r\n\r\n") {
            break;
        }
    }
    let all = String::from_utf8(all).unwrap();
    if !all.contains("{\"late\":true}") {
        let last = all.rmatch_indices("\nid: ").next().expect("an event").0 + 5;
        let last = all[last..].lines().next().unwrap();
        let mut events = world.listen(&session, Some(last)).await;
        let mut answer = String::new();
        while let Some(event) = events.next().await {
            answer = event;
        }
        assert!(answer.ends_with("{\"late\":true}}"), "{answer}");
    }
    until("the streams are given back", || world.metric(STREAMS) == "0").await;
    drop(reply);
    until("nothing is held", || world.answers.used() == 0).await;
}
