//! Hosts and origins: what is read, what matches what.

use super::*;

#[test]
fn hosts_are_taken_apart() {
    let cases = [
        ("localhost", Some(("localhost", None))),
        ("LocalHost:8085", Some(("localhost", Some(8085)))),
        ("127.0.0.1:1", Some(("127.0.0.1", Some(1)))),
        ("[::1]", Some(("::1", None))),
        ("[::1]:8085", Some(("::1", Some(8085)))),
        ("example.com.", Some(("example.com", None))),
        ("a_b-c.example", Some(("a_b-c.example", None))),
        ("", None),
        (":80", None),
        ("a b", None),
        ("user@host", None),
        ("host/path", None),
        ("host:", None),
        ("host:+80", None),
        ("host:65536", None),
        ("[::1", None),
        ("[::1]8085", None),
        ("[localhost]", None),
        ("::1", None),
        ("localhost,evil", None),
    ];
    for (text, expected) in cases {
        let found = HostPort::parse(text);
        let found = found.as_ref().map(|host| (host.host.as_str(), host.port));
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn loopback_is_recognised_by_name_and_address_only() {
    for (text, expected) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("127.8.9.1:80", true),
        ("[::1]", true),
        ("localhost.evil.example", false),
        ("127.0.0.1.nip.io", false),
        ("0.0.0.0", false),
        ("evil.example", false),
    ] {
        assert_eq!(HostPort::parse(text).unwrap().is_loopback(), expected, "{text}");
    }
}

#[test]
fn allowed_hosts() {
    let allows = |allowed: &str, host: &str| {
        AllowedHost::parse(allowed).unwrap().matches(&HostPort::parse(host).unwrap())
    };
    assert!(allows("mcp.example.com", "MCP.example.com:1234"));
    assert!(allows("mcp.example.com:443", "mcp.example.com:443"));
    assert!(!allows("mcp.example.com:443", "mcp.example.com"));
    assert!(!allows("example.com", "mcp.example.com"));
    assert!(allows("*", "anything:1"));
    assert!(allows("fd00::1", "[fd00::1]:80"));
    assert!(AllowedHost::parse("http://x").is_err());
}

#[test]
fn origins() {
    let allows = |allowed: &str, origin: &str| {
        AllowedOrigin::parse(allowed).unwrap().matches(&WebOrigin::parse(origin).unwrap())
    };
    assert!(allows("https://app.example", "https://APP.example:443"));
    assert!(allows("https://app.example/", "https://app.example"));
    assert!(!allows("https://app.example", "http://app.example"));
    assert!(!allows("https://app.example", "https://app.example:444"));
    assert!(!allows("https://app.example", "https://evil.app.example"));
    assert!(allows("vscode-webview://abc", "vscode-webview://abc"));
    assert!(allows("*", "https://x"));
    for text in ["null", "", "app.example", "https://", "https://a/b", "://a", "https://a@b"] {
        assert_eq!(WebOrigin::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_page_of_our_own_host_is_recognised() {
    let same = |origin: &str, host: &str| {
        WebOrigin::parse(origin).unwrap().is_same_host(&HostPort::parse(host).unwrap())
    };
    assert!(same("http://a:8085", "a:8085"));
    assert!(same("https://a", "a"));
    assert!(same("https://a", "a:443"));
    assert!(!same("http://a:8086", "a:8085"));
    assert!(!same("http://a:8086", "a"));
    assert!(!same("http://b:8085", "a:8085"));
}

#[test]
fn listen_addresses() {
    assert_eq!(parse_listen("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
    assert_eq!(parse_listen("[::1]:80").unwrap().to_string(), "[::1]:80");
    assert!(parse_listen("localhost:80").unwrap().ip().is_loopback());
    for text in ["", "8085", ":8085", "127.0.0.1", "127.0.0.1:x", "::1:80", "http://a:1"] {
        assert!(matches!(parse_listen(text), Err(Fault::Address)), "{text:?}");
    }
}
