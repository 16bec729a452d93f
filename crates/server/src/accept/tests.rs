//! The loop on real sockets: serving, refusing, recovering, ending.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use axum::body::Body;

use super::*;

/// Nothing in here takes this long unless it hangs.
const GENEROUS: Duration = Duration::from_secs(30);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    acceptor: Acceptor,
    ended: tokio::task::JoinHandle<()>,
}

fn acceptor(max_connections: usize) -> Acceptor {
    Acceptor {
        runtimes: vec![Handle::current()],
        max_connections,
        closing: CancellationToken::new(),
        aborting: CancellationToken::new(),
        connections: TaskTracker::new(),
        metrics: Metrics::new("0"),
    }
}

fn start<F>(
    acceptor: Acceptor,
    handler: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> Server
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let ended = tokio::spawn(acceptor.clone().run(listener, handler));
    Server { address, acceptor, ended }
}

async fn hello(_: Request<Incoming>) -> Response<Body> {
    Response::new(Body::from("hello"))
}

/// Sends one request and reads the answer up to the end of `hello`, or of the stream.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.unwrap();
    read(stream).await
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = async {
        let mut part = [0; 1024];
        loop {
            let read = stream.read(&mut part).await.unwrap();
            answer.extend_from_slice(&part[..read]);
            if read == 0 || answer.ends_with(b"hello") {
                return;
            }
        }
    };
    timeout(GENEROUS, reading).await.expect("an answer");
    String::from_utf8(answer).unwrap()
}

async fn connect(server: &Server) -> TcpStream {
    timeout(GENEROUS, TcpStream::connect(server.address)).await.unwrap().unwrap()
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let server = start(acceptor(10), hello);
    let mut stream = connect(&server).await;
    for _ in 0..3 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn beyond_the_limit_clients_are_told_so_and_room_is_found_again() {
    let server = start(acceptor(2), hello);
    let mut one = connect(&server).await;
    let mut two = connect(&server).await;
    assert!(ask(&mut one).await.contains(" 200 "));
    assert!(ask(&mut two).await.contains(" 200 "));
    // Some clients send their request at once, others wait.
    for sends in [true, false] {
        let mut refused = connect(&server).await;
        let answer = if sends { ask(&mut refused).await } else { read(&mut refused).await };
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert!(
        server
            .acceptor
            .metrics
            .render()
            .contains("standpipe_http_refusals_total{reason=\"connections\"} 2")
    );
    drop(one);
    let again = async {
        loop {
            if ask(&mut connect(&server).await).await.contains(" 200 ") {
                return;
            }
        }
    };
    timeout(GENEROUS, again).await.expect("room again");
    assert!(ask(&mut two).await.contains(" 200 "), "the others are not disturbed");
}

#[tokio::test]
async fn connections_are_dealt_out_among_runtimes() {
    let others: Vec<tokio::runtime::Runtime> = (0..2)
        .map(|number| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name(format!("rt{number}"))
                .enable_all()
                .build()
                .unwrap()
        })
        .collect();
    let mut acceptor = acceptor(10);
    acceptor.runtimes = others.iter().map(|runtime| runtime.handle().clone()).collect();
    let server = start(acceptor, |_| async {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        Response::builder().header("served-by", name).body(Body::from("hello")).unwrap()
    });
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(ask(&mut connect(&server).await).await);
    }
    for name in ["rt0", "rt1"] {
        let count = answers.iter().filter(|answer| answer.contains(name)).count();
        assert_eq!(count, 2, "{name}: {answers:?}");
    }
    // A runtime may not be dropped where tasks run.
    tokio::task::spawn_blocking(|| drop(others)).await.unwrap();
}

#[tokio::test]
async fn a_graceful_end_lets_requests_finish_and_accepts_no_more() {
    let (enter, mut entered) = tokio::sync::mpsc::channel(1);
    let go = CancellationToken::new();
    let gate = go.clone();
    let server = start(acceptor(10), move |_| {
        let (enter, gate) = (enter.clone(), gate.clone());
        async move {
            enter.send(()).await.unwrap();
            gate.cancelled().await;
            Response::new(Body::from("hello"))
        }
    });
    let mut busy = connect(&server).await;
    let mut idle = connect(&server).await;
    busy.write_all(GET).await.unwrap();
    timeout(GENEROUS, entered.recv()).await.unwrap().unwrap();
    server.acceptor.closing.cancel();
    timeout(GENEROUS, server.ended).await.unwrap().unwrap();
    assert!(read(&mut idle).await.is_empty(), "an idle connection is closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
    go.cancel();
    assert!(read(&mut busy).await.starts_with("HTTP/1.1 200 "));
    server.acceptor.connections.close();
    timeout(GENEROUS, server.acceptor.connections.wait()).await.unwrap();
}

#[tokio::test]
async fn an_abrupt_end_cuts_requests_off() {
    let (enter, mut entered) = tokio::sync::mpsc::channel(1);
    let server = start(acceptor(10), move |_| {
        let enter = enter.clone();
        async move {
            enter.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    let mut stuck = connect(&server).await;
    stuck.write_all(GET).await.unwrap();
    timeout(GENEROUS, entered.recv()).await.unwrap().unwrap();
    server.acceptor.closing.cancel();
    server.acceptor.aborting.cancel();
    server.acceptor.connections.close();
    timeout(GENEROUS, server.acceptor.connections.wait()).await.unwrap();
    assert!(read(&mut stuck).await.is_empty());
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let server = start(acceptor(10), hello);
    let mut stream = connect(&server).await;
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        writer.write_all(b"GET / HTTP/1.1\r\nx: ").await?;
        for _ in 0..64 {
            writer.write_all(&[b'x'; 4096]).await?;
        }
        std::io::Result::Ok(())
    };
    let reading = async {
        let mut answer = [0; 12];
        reader.read_exact(&mut answer).await.map(|_| answer)
    };
    let (_cut_off, answer) =
        timeout(GENEROUS, async { tokio::join!(writing, reading) }).await.expect("an answer");
    let expected = format!("HTTP/1.1 {}", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16());
    assert_eq!(answer.unwrap(), expected.as_bytes());
}

#[test]
fn connections_leave_room_for_children() {
    assert_eq!(connections_that_fit(64, 1), 32);
    assert_eq!(connections_that_fit(1024, 1), 1024 - 32 - 8);
    assert_eq!(connections_that_fit(1024, 1000), 512);
    assert_eq!(connections_that_fit(0, 0), 1);
}
