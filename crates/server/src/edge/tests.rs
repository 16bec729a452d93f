//! Which requests may go on, and what a page is told.

use http::Request;

use super::*;

fn edge() -> Edge {
    Edge { allow_host: Vec::new(), allow_origin: Vec::new(), local: true }
}

fn public() -> Edge {
    Edge {
        allow_host: vec![AllowedHost::parse("mcp.example.com").unwrap()],
        allow_origin: vec![AllowedOrigin::parse("https://app.example").unwrap()],
        local: false,
    }
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().uri("/mcp");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

fn status(edge: &Edge, headers: &[(&str, &str)]) -> u16 {
    edge.admit(&request(headers)).map_or_else(|error| error.status().as_u16(), |_| 200)
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("localhost", 200),
        ("localhost:8085", 200),
        ("127.0.0.1:8085", 200),
        ("[::1]:8085", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("192.168.0.1", 403),
        ("", 403),
        ("a b", 403),
    ] {
        assert_eq!(status(&edge(), &[("host", host)]), expected, "{host:?}");
    }
    assert_eq!(status(&edge(), &[]), 400);
    assert_eq!(status(&edge(), &[("host", "localhost"), ("host", "localhost")]), 400);
    assert_eq!(status(&public(), &[("host", "mcp.example.com")]), 200);
    assert_eq!(status(&public(), &[("host", "other.example.com")]), 403);
}

#[test]
fn a_host_in_the_request_line_is_checked_too() {
    let request =
        |uri: &str, host: &str| Request::builder().uri(uri).header("host", host).body(()).unwrap();
    assert!(edge().admit(&request("http://localhost/mcp", "localhost")).is_ok());
    assert!(edge().admit(&request("http://evil.example/mcp", "localhost")).is_err());
    assert!(edge().admit(&request("http://localhost/mcp", "evil.example")).is_err());
}

#[test]
fn http_1_0_may_leave_the_host_out() {
    let mut request = request(&[]);
    *request.version_mut() = Version::HTTP_10;
    assert!(edge().admit(&request).is_ok());
}

#[test]
fn origins() {
    let from =
        |edge: &Edge, host: &str, origin: &str| status(edge, &[("host", host), ("origin", origin)]);
    for (origin, expected) in [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:8085", 200),
        ("http://[::1]:1", 200),
        ("http://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("", 403),
    ] {
        assert_eq!(from(&edge(), "localhost:8085", origin), expected, "{origin:?}");
    }
    let public = public();
    assert_eq!(from(&public, "mcp.example.com", "https://app.example"), 200);
    assert_eq!(from(&public, "mcp.example.com", "https://mcp.example.com"), 200, "our own page");
    assert_eq!(from(&public, "mcp.example.com", "http://localhost:3000"), 403, "not our machine");
    assert_eq!(from(&public, "mcp.example.com", "http://app.example"), 403, "another scheme");
    let twice = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://x")];
    assert_eq!(status(&edge(), &twice), 403);
}

#[test]
fn configuration_headers_are_refused() {
    for name in ["x-mcp-json", "X-MCP-Type"] {
        let error = edge().admit(&request(&[("host", "localhost"), (name, "{}")])).unwrap_err();
        assert_eq!(error.status(), 403);
        assert!(error.to_string().contains(&name.to_ascii_lowercase()), "{error}");
    }
}

#[test]
fn messages_name_what_is_refused_and_the_way_out() {
    let message =
        |headers: &[(&str, &str)]| edge().admit(&request(headers)).unwrap_err().to_string();
    let host = message(&[("host", "evil.example")]);
    assert!(host.contains("`evil.example`") && host.contains("--allow-host"), "{host}");
    let origin = message(&[("host", "localhost"), ("origin", "http://evil.example")]);
    assert!(origin.contains("`http://evil.example`") && origin.contains("--allow-origin"));
    let long = message(&[("host", &"x".repeat(1000))]);
    assert!(long.len() < 300, "{long}");
}

#[test]
fn preflights_of_allowed_pages_are_answered() {
    let ask = |origin: &str| {
        let mut request = request(&[
            ("host", "mcp.example.com"),
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "mcp-session-id, x-anything"),
        ]);
        *request.method_mut() = Method::OPTIONS;
        request
    };
    let page = ask("https://app.example");
    let admitted = public().admit(&page).unwrap();
    let mut response = admitted.preflight::<()>(&page).unwrap();
    admitted.mark(response.headers_mut());
    assert_eq!(response.status(), 204);
    let headers = response.headers();
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "mcp-session-id, x-anything");
    assert!(headers[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("DELETE"));
    assert!(headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("mcp-session-id"));
    assert_eq!(headers[VARY], "origin");
    // A page of our own needs no permission, and gets no more than that.
    let own = ask("https://mcp.example.com");
    let admitted = public().admit(&own).unwrap();
    assert!(admitted.preflight::<()>(&own).is_none());
    let mut headers = HeaderMap::new();
    admitted.mark(&mut headers);
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn request_ids_are_taken_over_if_usable() {
    let id = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_str(value).unwrap());
        RequestId::of(&headers, || 0xab).to_header().to_str().unwrap().to_owned()
    };
    assert_eq!(id("abc-123"), "abc-123");
    for unusable in ["", "a b", &"x".repeat(129)] {
        assert_eq!(id(unusable), "00000000000000ab", "{unusable:?}");
    }
    assert_eq!(RequestId::of(&HeaderMap::new(), || 1).to_header(), "0000000000000001");
}
