//! `standpipe servers`: acting on what was typed, and showing what came of it.
//!
//! Owns which call each command makes, and the tables and lines that are printed. It must not know how
//! a call travels. It exists for people; programs use `--json`, or the API itself.

mod print;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use http::Method;
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use serde_json::Value;
use standpipe_core::service::{ServiceId, ServiceIdError};

use super::client::{Client, ClientError, Target, TargetError};
use super::view::{LogLineView, LogPage, Server, ServerList, ServerSummary};
use crate::cli::{AddArgs, AddError, LogsArgs, ReachArgs, ServersArgs, ServersCommand};
use crate::config::usual_socket;
use print::Output;

/// A longer event than any that a control plane sends, in bytes: somebody else is there.
const LONGEST_EVENT: usize = 1024 * 1024;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// Both a socket and an address.
    #[error("--socket and --url are two ways; give one of them")]
    TwoWays,
    /// An address without a token.
    #[error("--url needs --token, or STANDPIPE_CONTROL_TOKEN")]
    NoToken,
    /// Not an address.
    #[error("--url: {0}")]
    Target(#[from] TargetError),
    /// Not the name of a service.
    #[error("{id:?}: {source}")]
    Id {
        /// What was typed.
        id: String,
        /// Why not.
        #[source]
        source: ServiceIdError,
    },
    /// Not a description.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// An event that is none.
    #[error("the stream of lines is not understood")]
    Stream(#[source] serde_json::Error),
    /// The stream of lines broke off.
    #[error("the stream of lines broke off; Standpipe may be gone")]
    BrokeOff,
    /// Nobody reads our stdout.
    #[error("cannot write to stdout")]
    Print(#[source] io::Error),
}

impl ServersError {
    /// Whether what was typed is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::TwoWays | Self::NoToken | Self::Target(_) | Self::Id { .. } | Self::Add(_) => {
                true
            }
            Self::Call(ClientError::Refused(problem)) => matches!(problem.status, 400 | 422),
            _ => false,
        }
    }
}

/// Does what was typed.
pub async fn run(args: &ServersArgs) -> Result<(), ServersError> {
    let client = Client::new(target(&args.reach)?);
    let out = Output { json: args.json };
    match &args.command {
        ServersCommand::Ls => {
            let list: ServerList = client.call(Method::GET, path("", "")?, None).await?;
            out.list(&list)
        }
        ServersCommand::Show { id } => {
            let server: Server = client.call(Method::GET, path(id, "")?, None).await?;
            out.server(&server)
        }
        ServersCommand::Add(add) => self::add(&client, add, out).await,
        ServersCommand::Rm(ids) => {
            for id in &ids.ids {
                client.order(Method::DELETE, path(id, "")?).await?;
                out.done(id, "removed")?;
            }
            Ok(())
        }
        ServersCommand::Start(ids) => each(&client, &ids.ids, "/start", out).await,
        ServersCommand::Stop(ids) => each(&client, &ids.ids, "/stop", out).await,
        ServersCommand::Restart(ids) => each(&client, &ids.ids, "/restart", out).await,
        ServersCommand::Logs(logs) if logs.follow => follow(&client, logs, out).await,
        ServersCommand::Logs(logs) => {
            let rest = format!("/logs?lines={}", logs.lines);
            let page: LogPage = client.call(Method::GET, path(&logs.id, &rest)?, None).await?;
            page.lines.iter().try_for_each(|line| out.line(line))
        }
    }
}

fn target(reach: &ReachArgs) -> Result<Target, ServersError> {
    let (socket, url) = match (&reach.socket, &reach.url) {
        (Some(_), Some(_)) => return Err(ServersError::TwoWays),
        // What was typed goes before what lies around.
        (None, None) => (set("STANDPIPE_CONTROL_SOCKET"), set("STANDPIPE_CONTROL_URL")),
        (socket, url) => (socket.clone().map(PathBuf::into_os_string), url.clone().map(Into::into)),
    };
    let Some(url) = url else {
        return Ok(Target::Socket(socket.map_or_else(usual_socket, PathBuf::from)));
    };
    let token = reach.token.as_ref().ok_or(ServersError::NoToken)?;
    Ok(Target::url(&url.to_string_lossy(), token)?)
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

/// The path of a service, or of all of them. What is no service's name is not sent.
fn path(id: &str, rest: &str) -> Result<PathAndQuery, ServersError> {
    let mut path = "/api/v1/servers".to_owned();
    if !(id.is_empty() && rest.is_empty()) {
        let id =
            ServiceId::new(id).map_err(|source| ServersError::Id { id: id.to_owned(), source })?;
        path = format!("{path}/{id}{rest}");
    }
    Ok(PathAndQuery::try_from(path).expect("a service's name is fit for a path"))
}

async fn add(client: &Client, args: &AddArgs, out: Output) -> Result<(), ServersError> {
    // An empty name would be the list's path.
    ServiceId::new(&args.id).map_err(|source| ServersError::Id { id: args.id.clone(), source })?;
    let body: Value = args.body()?;
    let path = path(&args.id, "")?;
    let server: Server = client.call(Method::PUT, path, Some(&body)).await?;
    out.added(&server)
}

async fn each(
    client: &Client,
    ids: &[String],
    order: &str,
    out: Output,
) -> Result<(), ServersError> {
    for id in ids {
        let summary: ServerSummary = client.call(Method::POST, path(id, order)?, None).await?;
        out.summary(&summary)?;
    }
    Ok(())
}

async fn follow(client: &Client, args: &LogsArgs, out: Output) -> Result<(), ServersError> {
    let rest = format!("/logs?lines={}&follow=true", args.lines);
    let mut body = client.open(path(&args.id, &rest)?).await?.into_body();
    let mut text = Vec::new();
    loop {
        let Some(Ok(frame)) = body.frame().await else {
            return Err(ServersError::BrokeOff);
        };
        let Some(data) = frame.data_ref() else { continue };
        text.extend_from_slice(data);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if !show(&String::from_utf8_lossy(&event), out)? {
                return Ok(());
            }
        }
        if text.len() > LONGEST_EVENT {
            return Err(ServersError::BrokeOff);
        }
    }
}

/// Shows one event; `false` after the last one.
fn show(event: &str, out: Output) -> Result<bool, ServersError> {
    let field = |name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    match (field("event"), field("data")) {
        (Some("line"), Some(data)) => {
            let line: LogLineView = serde_json::from_str(data).map_err(ServersError::Stream)?;
            out.line(&line)?;
        }
        (Some("missed"), Some(data)) => out.note(&format!("lines are missing here: {data}")),
        (Some("end"), data) => {
            out.note(&format!("there will be no more lines: {}", data.unwrap_or_default()));
            return Ok(false);
        }
        // A comment that says that the stream lives, or something that we do not know yet.
        _ => {}
    }
    Ok(true)
}
