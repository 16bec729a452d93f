//! What a service's processes wrote to their stderr: the last lines, or all as they come.
//!
//! Owns the page and the event stream. It must not keep lines: the service does. It exists because
//! why a server fails is mostly said there and nowhere else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use standpipe_process::{Lines, LogFollower, LogLine, Service};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::api::Plane;
use super::describe;
use super::error::ControlError;
use super::request::{self, Name};
use super::view::{LogLineView, LogPage};

/// Lines unless a number is asked for.
const USUAL_LINES: usize = 100;

/// More lines than are ever kept.
const MOST_LINES: usize = 100_000;

/// Who follows logs holds a connection for as long as it likes, so there are at most so many of them;
/// the next one is told so.
pub(super) const MOST_FOLLOWERS: usize = 32;

/// A comment this often shows both ends that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells proxies not to hold events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// So many of the last lines; 100 unless given. At most 1000 are kept.
    #[param(minimum = 0, maximum = 100_000, nullable = false)]
    lines: Option<usize>,
    /// Whether to go on with the lines that come, as an event stream.
    #[serde(default)]
    #[param(required = false, default = false)]
    follow: bool,
}

/// The last lines that the service's processes wrote to their stderr, whichever process it was. With
/// `follow=true` an event stream: `line` (data: a `LogLine` as JSON; id: its number) for each line,
/// those that are asked for first; `missed` (data: `{"lines": N}`) where lines came faster than they
/// were read; and `end` (data: `{"reason": "removed" | "shutdown"}`) as the last one.
#[utoipa::path(
    get, path = "/api/v1/servers/{id}/logs", operation_id = "getServerLogs", tag = "servers",
    params(describe::IdInPath, LogQuery),
    responses(
        (status = 200, description = "The lines", content(
            (LogPage = "application/json"), (String = "text/event-stream")
        )),
        describe::Refused, describe::OfOne, describe::WhileBusy
    )
)]
pub(super) async fn logs(
    State(plane): State<Arc<Plane>>,
    name: Name,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, ControlError> {
    let id = request::id(name)?;
    let Query(query) = query?;
    let most = query.lines.unwrap_or(USUAL_LINES);
    if most > MOST_LINES {
        return Err(ControlError::Lines { most: MOST_LINES });
    }
    let service = plane.app.registry.find(&id).ok_or(ControlError::UnknownService { id })?;
    if !query.follow {
        let lines = service.logs(most).into_iter().map(LogLineView::from).collect();
        return Ok(Json(LogPage { id: service.id().to_string(), lines }).into_response());
    }
    let seat = Arc::clone(&plane.followers)
        .try_acquire_owned()
        .map_err(|_| ControlError::Followers { most: MOST_FOLLOWERS })?;
    let following = Following {
        follower: service.follow_logs(most),
        service,
        ending: plane.streams.clone(),
        plane,
        ready: VecDeque::new(),
        over: false,
        _seat: seat,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// One who follows the logs of a service.
struct Following {
    plane: Arc<Plane>,
    service: Service,
    follower: LogFollower,
    ending: CancellationToken,
    /// Events that were not taken yet; as many as lines are kept at most, since no others are fetched
    /// before. A reader that is slow misses lines meanwhile, and is told how many.
    ready: VecDeque<Event>,
    over: bool,
    _seat: OwnedSemaphorePermit,
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            // Cancel safe: a follower keeps its place, and the others take nothing.
            tokio::select! {
                lines = self.follower.next() => self.take(lines),
                () = self.service.ended() => self.ended(),
                () = self.ending.cancelled() => self.end("shutdown"),
            }
        }
    }

    /// The service has ended; mostly it was replaced, and its successor writes on.
    fn ended(&mut self) {
        let successor = self.plane.app.registry.find(self.service.id());
        let goes_on = successor
            .filter(|known| known.logs_with(&self.service) && !known.same_as(&self.service));
        match goes_on {
            Some(successor) => self.service = successor,
            None if self.plane.app.is_draining() => self.end("shutdown"),
            None => self.end("removed"),
        }
    }

    fn end(&mut self, reason: &str) {
        #[derive(Serialize)]
        struct End<'a> {
            reason: &'a str,
        }
        let last = self.follower.unread();
        self.take(last);
        self.ready.push_back(event("end", &End { reason }));
        self.over = true;
    }

    fn take(&mut self, Lines { missed, lines }: Lines) {
        #[derive(Serialize)]
        struct Missed {
            lines: u64,
        }
        if missed > 0 {
            self.ready.push_back(event("missed", &Missed { lines: missed }));
        }
        let line = |line: LogLine| {
            let number = line.number.to_string();
            event("line", &LogLineView::from(line)).id(number)
        };
        self.ready.extend(lines.into_iter().map(line));
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("texts and numbers are JSON");
    // JSON has no line ends, which is all that could go wrong with the event's own writer.
    Event::default().event(name).data(data)
}
