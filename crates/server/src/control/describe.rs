//! The parts of the API's description that many calls have in common.
//!
//! Owns how refusals and the name in the path are documented. It must not refuse anything. It exists
//! so that the description, which is made from the calls themselves, is complete without saying
//! everything eight times.

use std::collections::BTreeMap;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi};

use super::problem::{PROBLEM_JSON, Problem};

/// The frame of the description; the calls are added where they are routed.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Standpipe's control plane",
        description = "Services described, started, stopped and looked at while Standpipe runs. Served \
                       on a Unix socket that only its owner can open, and on TCP with a token; never \
                       beside MCP. Errors are problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "The control socket, or `control.listen`")),
    tags(
        (name = "servers", description = "The services"),
        (name = "description", description = "This document")
    ),
    components(schemas(Problem)),
    modifiers(&Token)
)]
pub(super) struct Frame;

/// The token of TCP; the socket needs none.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`control.token`; on the socket none is needed"))
            .build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        let with_token = SecurityRequirement::new::<_, [&str; 0], _>("token", []);
        api.security = Some(vec![with_token, SecurityRequirement::default()]);
    }
}

/// The name of a service in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only the description of the field is used")]
pub(super) struct IdInPath {
    /// The service's name.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        example = "clock"
    )]
    id: String,
}

/// What any call may be answered.
pub(super) struct Refused;

/// What a call on one service may be answered.
pub(super) struct OfOne;

/// What a call with a body may be answered.
pub(super) struct WithBody;

/// What a call that changes something may be answered.
pub(super) struct WhileDraining;

/// What one who wants to follow may be answered.
pub(super) struct WhileBusy;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "The Host header, the name of the service or the query is not understood"),
            ("401", "On TCP: the token is missing or wrong"),
            ("403", "The Host or the Origin is not allowed, or a header says what to run"),
        ])
    }
}

impl IntoResponses for OfOne {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("404", "There is no such service")])
    }
}

impl IntoResponses for WithBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "The Host header, the name of the service or the JSON is not understood"),
            ("408", "The body did not come within 10 s"),
            ("413", "The body is longer than 1 MiB"),
            ("415", "The body is not `application/json`"),
            ("422", "The description cannot be used; `errors` says what is wrong where"),
        ])
    }
}

impl IntoResponses for WhileDraining {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("503", "Standpipe is shutting down")])
    }
}

impl IntoResponses for WhileBusy {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[("503", "Too many clients follow logs")])
    }
}

fn problems(all: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let response = |description: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
    };
    all.iter()
        .map(|(status, description)| ((*status).to_owned(), RefOr::T(response(description))))
        .collect()
}
