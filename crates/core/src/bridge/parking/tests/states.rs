//! Which request gets a parked call back.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::bridge::parking::{
    Binding, Digest, Digester, MAX_PARKED, MAX_PARKED_OF_PRINCIPAL, Parking, StateError,
};
use crate::id::Principal;
use crate::message::{Params, RawJson};

const A_MINUTE: Duration = Duration::from_mins(1);

fn digest(digester: &Digester, method: &str, params: &str) -> Digest {
    let raw = RawJson::new(&Bytes::copy_from_slice(params.as_bytes())).expect("JSON");
    digester.digest(method, Some(&Params::opaque(raw)))
}

fn park<C>(
    parking: &mut Parking<C>,
    binding: Binding,
    call: C,
    until: Instant,
) -> Result<String, C> {
    let state = parking.state();
    parking.park(&state, binding, call, until).map_err(|full| full.0)?;
    Ok(state.as_str().to_owned())
}

fn binding(digester: &Digester) -> Binding {
    Binding {
        service: "svc".into(),
        principal: Principal::default(),
        request: digest(digester, "tools/call", r#"{"name":"x","arguments":{"a":1}}"#),
    }
}

#[test]
fn a_state_gets_its_call_back_once() {
    let (digester, now) = (Digester::default(), Instant::now());
    let mut parking = Parking::default();
    let first = park(&mut parking, binding(&digester), "first", now + A_MINUTE).expect("room");
    let second = park(&mut parking, binding(&digester), "second", now + A_MINUTE).expect("room");
    assert_ne!(first, second);
    assert_eq!(parking.find(&first, &binding(&digester), now), Ok(Some(&"first")));
    assert_eq!(parking.take(&first), Some("first"));
    assert_eq!(parking.find(&first, &binding(&digester), now), Err(StateError::Unknown));
    assert_eq!(parking.take(&first), None);
    assert_eq!(parking.find(&second, &binding(&digester), now), Ok(Some(&"second")));
}

#[test]
fn a_state_is_good_for_its_service_principal_and_request_alone() {
    let (digester, now) = (Digester::default(), Instant::now());
    let mut parking = Parking::default();
    let right = binding(&digester);
    let state = park(&mut parking, right.clone(), (), now + A_MINUTE).expect("room");
    let other_service = Binding { service: "other".into(), ..right.clone() };
    let other_principal = Binding { principal: Principal::new("eve"), ..right.clone() };
    for foreign in [other_service, other_principal] {
        assert_eq!(parking.find(&state, &foreign, now), Err(StateError::Unknown));
    }
    for (method, params) in [
        ("prompts/get", r#"{"name":"x","arguments":{"a":1}}"#),
        ("tools/call", r#"{"name":"y","arguments":{"a":1}}"#),
        ("tools/call", r#"{"name":"x","arguments":{"a":2}}"#),
        ("tools/call", r#"{"name":"x","arguments":{"a":"1"}}"#),
        ("tools/call", r#"{"name":"x"}"#),
    ] {
        let other = Binding { request: digest(&digester, method, params), ..right.clone() };
        assert_eq!(parking.find(&state, &other, now), Err(StateError::OtherRequest), "{params}");
    }
    assert_eq!(parking.find(&state, &right, now), Ok(Some(&())), "none of this used it up");
}

#[test]
fn forged_states_are_refused_and_those_of_others_passed_on() {
    let (digester, now) = (Digester::default(), Instant::now());
    let mut parking = Parking::default();
    let right = binding(&digester);
    let state = park(&mut parking, right.clone(), (), now + A_MINUTE).expect("room");
    let (run, handle) = state.rsplit_once('.').expect("two parts");
    let changed = if handle.ends_with('0') { "1" } else { "0" };
    let forged = [
        format!("{state}-TAMPERED"),
        format!("{run}."),
        format!("{run}.{}", handle.to_uppercase().replace(char::is_numeric, "A")),
        format!("{run}.+{}", &handle[1..]),
        format!("{run}.{}{changed}", &handle[..31]),
    ];
    for forged in forged {
        assert_eq!(parking.find(&forged, &right, now), Err(StateError::Unknown), "{forged}");
        assert_eq!(parking.take(&forged), None);
    }
    let another: Parking<()> = Parking::default();
    assert_eq!(another.find(&state, &right, now), Ok(None), "of another run");
    for childs in ["", "eyJhIjoxfQ", "standpipe.", "standpipe.x", "standpipe.x.y"] {
        assert_eq!(parking.find(childs, &right, now), Ok(None), "{childs}");
    }
    assert_eq!(parking.len(), 1);
}

#[test]
fn expiry() {
    let (digester, now) = (Digester::default(), Instant::now());
    let mut parking = Parking::default();
    let right = binding(&digester);
    let state = park(&mut parking, right.clone(), 1, now + A_MINUTE).expect("room");
    let later = park(&mut parking, right.clone(), 2, now + 2 * A_MINUTE).expect("room");
    let gone = park(&mut parking, right.clone(), 3, now + 2 * A_MINUTE).expect("room");
    assert_eq!(parking.sweep(now, |call| *call == 3), [3]);
    assert_eq!(parking.find(&gone, &right, now), Err(StateError::Unknown));
    // Not swept yet, and yet too late.
    assert_eq!(parking.find(&state, &right, now + A_MINUTE), Err(StateError::Unknown));
    assert_eq!(parking.sweep(now + A_MINUTE, |_| false), [1]);
    assert_eq!(parking.find(&later, &right, now + A_MINUTE), Ok(Some(&2)));
    assert_eq!(parking.take_of("other"), Vec::<i32>::new());
    assert_eq!(parking.take_of("svc"), [2]);
    assert!(parking.is_empty());
    assert!(parking.principals.is_empty());
}

#[test]
fn there_is_an_end_to_what_is_parked() {
    let (digester, now) = (Digester::default(), Instant::now());
    let mut parking = Parking::default();
    let of = |name: usize| Binding {
        principal: Principal::new(&name.to_string()),
        ..binding(&digester)
    };
    let mut states = Vec::new();
    for at in 0..MAX_PARKED {
        let binding = of(at / MAX_PARKED_OF_PRINCIPAL);
        states.push(park(&mut parking, binding, at, now + A_MINUTE).expect("room"));
        if at + 1 == MAX_PARKED_OF_PRINCIPAL {
            assert_eq!(park(&mut parking, of(0), 7, now + A_MINUTE), Err(7));
        }
    }
    assert_eq!(park(&mut parking, of(99), 8, now + A_MINUTE), Err(8));
    assert_eq!(parking.take(&states[5]), Some(5));
    assert!(park(&mut parking, of(0), 9, now + A_MINUTE).is_ok());
    assert_eq!(parking.take_all().len(), MAX_PARKED);
}

#[test]
fn the_digest_is_of_what_a_request_means() {
    let digester = Digester::default();
    let of = |params: &str| digest(&digester, "tools/call", params);
    let base = of(r#"{"name":"x","arguments":{"a":1,"b":[1,2,{"c":null}],"d":"é"}}"#);
    for same in [
        r#"{"arguments":{"d":"\u00e9","b":[1, 2, {"c" :null}],"a":1.0},"name":"x"}"#,
        r#"{"name":"x","_meta":{"progressToken":7},"arguments":{"a":1,"b":[1,2,{"c":null}],"d":"é"}}"#,
        r#"{"name":"x","requestState":"s","inputResponses":{"k":{}},"arguments":{"a":1,"b":[1,2,{"c":null}],"d":"é"}}"#,
    ] {
        assert_eq!(of(same), base, "{same}");
    }
    for other in [
        r#"{"name":"x","arguments":{"a":1,"b":[2,1,{"c":null}],"d":"é"}}"#,
        r#"{"name":"x","arguments":{"a":1,"b":[1,2,{"c":false}],"d":"é"}}"#,
        r#"{"name":"x","arguments":{"a":1,"b":[1,2],"c":null,"d":"é"}}"#,
        r#"{"name":"x","arguments":{"a":1,"b":[1,2,{}],"d":"é"}}"#,
        r#"{"name":"x","arguments":[]}"#,
        r#"{"name":"x","arguments":{"a":1,"b":[1,2,{"c":null}],"d":"é"},"extra":1}"#,
        r#"{"name":"x","arguments":{"a":1,"b":[1,2,{"c":null,"_meta":{}}],"d":"é"}}"#,
    ] {
        assert_ne!(of(other), base, "{other}");
    }
    assert_ne!(digester.digest("tools/call", None), of("{}"));
    assert_ne!(digest(&Digester::default(), "tools/call", "{}"), of("{}"), "keyed");
}

#[test]
fn the_digest_of_what_the_parser_does_not_take_apart() {
    let digester = Digester::default();
    let deep = |n: usize| format!(r#"{{"arguments":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    let of = |params: &str| digest(&digester, "tools/call", params);
    assert_eq!(of(&deep(1000)), of(&deep(1000)));
    assert_ne!(of(&deep(1000)), of(&deep(1001)));
    assert_ne!(of(r#"{"arguments":1e999}"#), of(r#"{"arguments":1e998}"#));
}
