//! The control plane is closed unless a whole key is there, and every half of one is a mistake.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Layers, Settings, load_text, show};

const TOKEN: &str = "0123456789abcdef";

fn settings(text: &str) -> Result<Settings, String> {
    let path = Path::new("standpipe.toml");
    let layers = Layers { services: true, ..Layers::default() };
    load_text(path, text, &layers).map_err(|error| error.to_string())
}

#[test]
fn nothing_is_open_unless_it_was_said() {
    let control = settings("").unwrap().control;
    assert_eq!(control, ControlSettings::default());
    assert!(!control.origin_api);
}

#[test]
fn the_socket_is_a_path_or_a_word() {
    let socket =
        |text: &str| settings(&format!("[control]\nsocket = {text:?}")).unwrap().control.socket;
    assert_eq!(socket("off"), ControlSocket::Off);
    assert_eq!(socket("/run/x.sock"), ControlSocket::At(PathBuf::from("/run/x.sock")));
    assert_eq!(socket("default"), ControlSocket::At(usual_socket()));
    let message = settings("control.socket = ''").unwrap_err();
    assert!(message.contains("`control.socket`"), "{message}");
}

#[test]
fn tcp_needs_an_address_and_a_token() {
    let text = format!("[control]\nlisten = \"127.0.0.1:9086\"\ntoken = \"{TOKEN}\"");
    let tcp = settings(&text).unwrap().control.tcp.unwrap();
    assert_eq!(tcp.listen, "127.0.0.1:9086".parse().unwrap());
    assert_eq!(tcp.token.expose(), TOKEN);
    // A token alone opens nothing.
    assert_eq!(settings(&format!("control.token = \"{TOKEN}\"")).unwrap().control.tcp, None);
}

#[test]
fn half_a_key_is_a_mistake_that_says_why() {
    let cases = [
        ("listen = '127.0.0.1:1'", "control.listen", "`control.token`"),
        ("listen = '127.0.0.1:1'\ntoken = 'short'", "control.token", "16 bytes"),
        ("token = '0123456789 abcdef'", "control.token", "ASCII"),
        ("token = '0123456789\u{e9}abcdef'", "control.token", "ASCII"),
        ("listen = '127.0.0.1:8085'\ntoken = '0123456789abcdef'", "control.listen", "its own"),
        ("listen = '0.0.0.0:1'\ntoken = '0123456789abcdef'", "control.listen", "allow_host"),
        ("sockte = '/x'", "control.sockte", "`socket`"),
    ];
    for (text, key, expected) in cases {
        let message = settings(&format!("[control]\n{text}")).unwrap_err();
        assert!(message.contains(&format!("`{key}`")), "{text}: {message}");
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("0123456789"), "{message}");
    }
    let message = settings("compat.origin_apy = true").unwrap_err();
    assert!(message.contains("`origin_api`"), "{message}");
}

#[test]
fn a_token_of_digits_in_a_variable_is_a_text() {
    let variables = [
        ("STANDPIPE_CONTROL__LISTEN", "127.0.0.1:0"),
        ("STANDPIPE_CONTROL__TOKEN", "1234567890123456"),
        ("STANDPIPE_COMPAT__ORIGIN_API", "true"),
    ];
    let environment =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let settings = crate::config::load(&Layers { environment, ..Layers::default() }).unwrap();
    assert_eq!(settings.control.tcp.unwrap().token.expose(), "1234567890123456");
    assert!(settings.control.origin_api);
}

#[test]
fn the_token_is_not_shown() {
    let text = format!("[control]\nlisten = \"127.0.0.1:9086\"\ntoken = \"{TOKEN}\"");
    let shown = show(&settings(&text).unwrap());
    assert!(shown.contains("[control]\n"), "{shown}");
    assert!(!shown.contains(TOKEN), "{shown}");
}
