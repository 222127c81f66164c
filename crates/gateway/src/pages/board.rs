//! The hall's wall screen (大屏).

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;
use zhoubao_application::board::{Board, CURVE_MINUTES, Tile, board_at};
use zhoubao_application::statistics::position_at;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Kind;
use zhoubao_domain::time::{hall_day, rfc3339};

use super::{chart, page as shown};
use crate::access::Who;
use crate::extract::Query;
use crate::live::{self, Full, RETRY_SECONDS, Watcher};
use crate::openapi::{Day, Moment};
use crate::problem::Problem;
use crate::server::Peer;
use crate::{Gateway, answers};

/// How often it is looked whether a reader may still watch (guarantees §6).
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Steps of a whole day.
const STEPS: u16 = 24 * 60 / CURVE_MINUTES;

struct Cell {
    key: String,
    text: String,
    mark: &'static str,
}

impl Cell {
    fn of(key: String, tile: Tile) -> Self {
        Self { key, text: tile.text(), mark: tile.mark().unwrap_or_default() }
    }
}

struct FigureRow {
    title: String,
    unit: String,
    cells: Vec<Cell>,
}

struct WindowCard {
    id: String,
    name: String,
    state: &'static str,
    word: &'static str,
    cells: Vec<(&'static str, Cell)>,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage {
    hall: String,
    day: String,
    position: u64,
    as_of: String,
    layout: String,
    replay: bool,
    at: String,
    figures: Vec<FigureRow>,
    windows: Vec<WindowCard>,
    curve: Vec<(u16, String, i64)>,
    unreported: Vec<(String, usize)>,
    before: String,
    after: String,
    query: String,
    uncovered: bool,
}

/// What of the past is asked for.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct At {
    /// A moment: what the journal had taken by then.
    #[schemars(with = "Option<Moment>")]
    at: Option<Timestamp>,
    /// A position.
    position: Option<u64>,
    /// The day that is today on it; that of `at` where absent.
    #[schemars(with = "Option<Day>")]
    day: Option<Date>,
}

impl At {
    /// The same question for another moment, as it stands in an address.
    fn query(&self, at: Option<Timestamp>) -> String {
        let at = at.map(|it| format!("at={it}"));
        let position = self.position.map(|it| format!("position={it}"));
        let day = self.day.map(|it| format!("day={it}"));
        at.into_iter().chain(position).chain(day).collect::<Vec<_>>().join("&")
    }

    /// The board that is asked for, if it is one of the past.
    async fn board(&self, gateway: &Gateway) -> Result<Option<Board>, Problem> {
        if self.at.is_none() && self.position.is_none() && self.day.is_none() {
            return Ok(None);
        }
        let last = gateway.desk.catch_up().await?;
        let position = match (self.position, self.at) {
            (Some(position), _) if position > last => {
                let detail = format!("日志只到 the journal ends at {last}");
                return Err(Problem::coded(Code::Malformed, detail));
            }
            (Some(position), _) => position,
            (None, Some(at)) => position_at(&**gateway.desk.journal(), at).await?,
            (None, None) => last,
        };
        let day = self.day.or(self.at.map(hall_day));
        let day = day.unwrap_or_else(|| hall_day(gateway.clock.now()));
        let board = board_at(&**gateway.desk.store(), gateway.desk.hall(), day, position).await?;
        Ok(Some(board.ok_or_else(empty)?))
    }
}

fn empty() -> Problem {
    Problem::coded(Code::Unavailable, "尚无数据 there is nothing in the read models yet")
}

/// `GET /board`: the page, readable without a script.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Query(at): Query<At>,
) -> Result<Response, Problem> {
    let past = at.board(&gateway).await?;
    let now = gateway.live.now();
    let (board, layout, replay) = match (past, &now.frame) {
        (Some(board), _) => (board, String::new(), true),
        (None, Some(frame)) => (frame.board.clone(), frame.layout.clone(), false),
        (None, None) => return Err(empty()),
    };
    let name = |id: &zhoubao_domain::id::WindowId| {
        board.windows.iter().find(|it| it.id == *id).map_or(id.to_string(), |it| it.name.clone())
    };
    let mut unreported: Vec<(String, usize)> = vec![];
    for it in board.unreported.iter().flatten() {
        let name = name(&it.window);
        match unreported.iter_mut().find(|(it, _)| *it == name) {
            Some((_, days)) => *days += 1,
            None => unreported.push((name, 1)),
        }
    }
    let step = |minutes: i64| {
        let moved = at.at.and_then(|it| it.checked_add(minutes.minutes()).ok());
        moved.map(|it| at.query(Some(it))).unwrap_or_default()
    };
    let page = BoardPage {
        hall: board.hall.clone(),
        day: format!("{}年{}月{}日", board.day.year(), board.day.month(), board.day.day()),
        position: board.position,
        as_of: if replay { String::new() } else { now.as_of.map(rfc3339).unwrap_or_default() },
        layout,
        replay,
        at: at.at.map(rfc3339).unwrap_or_default(),
        figures: board
            .figures
            .iter()
            .map(|it| FigureRow {
                title: it.title.clone(),
                unit: it.unit.clone(),
                cells: [("today", it.today), ("week", it.week), ("year", it.year)]
                    .map(|(span, amount)| {
                        Cell::of(format!("figure.{}.{span}", it.key), Tile::Number(amount))
                    })
                    .into(),
            })
            .collect(),
        windows: board
            .windows
            .iter()
            .map(|it| WindowCard {
                id: it.id.to_string(),
                name: it.name.clone(),
                state: it.state.title(),
                word: it.state.word(),
                cells: Kind::ALL
                    .map(|kind| {
                        let key = format!("window.{}.{}", it.id, kind.word());
                        (kind.title(), Cell::of(key, it.tile(kind)))
                    })
                    .into(),
            })
            .collect(),
        curve: board
            .curve
            .iter()
            .filter(|(step, _)| **step < STEPS)
            .map(|(step, amount)| (*step, clock_time(*step), *amount))
            .collect(),
        unreported,
        before: step(-5),
        after: step(5),
        query: at.query(at.at),
        uncovered: board.unreported.is_none(),
    };
    Ok(shown(&page))
}

fn clock_time(step: u16) -> String {
    let minutes = step * CURVE_MINUTES;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `GET /board/curve.svg`: the day's curve of the same.
pub(crate) async fn curve(
    State(gateway): State<Arc<Gateway>>,
    Query(at): Query<At>,
) -> Result<Response, Problem> {
    let board = match at.board(&gateway).await? {
        Some(board) => board,
        None => gateway.live.now().frame.map(|it| it.board.clone()).ok_or_else(empty)?,
    };
    let failed = |it: String| Problem::of(StatusCode::INTERNAL_SERVER_ERROR, it);
    let svg = chart::curve(&board).map_err(failed)?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// `GET /v1/board`: the same in data; `at`, `position` and `day` ask for the past.
pub(crate) async fn snapshot(
    State(gateway): State<Arc<Gateway>>,
    Query(at): Query<At>,
) -> Result<Response, Problem> {
    if let Some(board) = at.board(&gateway).await? {
        let tiles = board.tiles();
        return Ok(Json(answers::Board {
            position: board.position,
            as_of: None,
            day: board.day.to_string(),
            layout: None,
            tiles: tiles.iter().map(|(key, it)| (key.clone(), live::tile(it))).collect(),
        })
        .into_response());
    }
    let now = gateway.live.now();
    let frame = now.frame.ok_or_else(empty)?;
    let value = live::snapshot(&frame, now.as_of);
    let tag = format!("\"{}\"", frame.id);
    Ok(([(ETAG, tag)], Json(value)).into_response())
}

/// `GET /v1/board/live`: what changes, as server-sent events.
pub(crate) async fn live(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").map(|it| it.to_str().unwrap_or("?"));
    let session =
        who.screen.as_ref().map_or_else(|| who.token.clone(), |it| format!("screen {it}"));
    let address = peer.address(&headers, &gateway.names);
    let watcher = Watcher { session: session.into(), address };
    let events = gateway.live.read(watcher, last).map_err(|full| {
        let mut problem = Problem::coded(
            Code::Unavailable,
            match full {
                Full::All => "观看者过多 too many readers",
                Full::Session => {
                    "本会话已开太多看板，请关闭一些 too many boards in this session, close some"
                }
                Full::Address => "此地址的观看者过多 too many readers from this address",
            },
        );
        problem.retry_after = Some(RETRY_SECONDS);
        problem
    })?;
    tracing::debug!(user = ?who.user, screen = who.screen, "a reader of the board");
    // Who may not watch any more is cut off within a minute, and refused when he comes back. Of his request only that
    // is kept by which he is known, in bytes of its own: a clone would keep the whole of what was read from him.
    let own = |it: &HeaderValue| HeaderValue::from_bytes(it.as_bytes()).ok();
    let known_by: HeaderMap =
        headers.get_all(COOKIE).iter().filter_map(|it| Some((COOKIE, own(it)?))).collect();
    let mut check_at = Instant::now() + CHECK_EVERY;
    let events = events.take_while(move |_| {
        let due = Instant::now() >= check_at;
        if due {
            check_at = Instant::now() + CHECK_EVERY;
        }
        let check = due.then(|| (gateway.clone(), known_by.clone()));
        async move {
            let Some((gateway, known_by)) = check else { return true };
            let who = gateway.who(&known_by, false).await;
            who.is_ok_and(|it| it.user.is_some() || it.screen.is_some())
        }
    });
    let body = Body::from_stream(events.map(Ok::<_, std::convert::Infallible>));
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
