//! What messages become on their way from one era to the other, as tables.

mod legacy_client;
mod modern_client;
mod refused;
mod subscriptions;

use bytes::Bytes;

use crate::message::{Id, Message, Params, RawJson, parse};

fn raw(text: &str) -> RawJson {
    RawJson::new(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// Parameters as they are read from a message.
fn params(text: &str) -> Params {
    let message = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{text}}}"#);
    match parse(&Bytes::from(message)) {
        Ok(Message::Notification(notification)) => notification.params.unwrap(),
        other => panic!("{text}: {other:?}"),
    }
}
