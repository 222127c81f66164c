//! Whether the gateway lives, whether it can do its work, and numbers for those who watch over it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use crate::Gateway;
use crate::answers::{Live, Ready};

/// Events that the read models may lag behind and still be called ready.
const LAG_MAX: u64 = 10_000;

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> Json<Live> {
    Json(Live { live: true })
}

async fn standing(gateway: &Gateway) -> (Option<u64>, Option<u64>) {
    let journal = gateway.desk.journal().state().await.ok().map(|it| it.last);
    let store = gateway.desk.store().checkpoint(gateway.desk.hall()).await.ok();
    (journal, store.map(|it| it.map_or(0, |it| it.sequence)))
}

/// `GET /readyz`: whether requests can be done, and if not, why.
pub(crate) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let (journal, store) = standing(&gateway).await;
    let cause = match (journal, store) {
        (None, _) => Some("journal"),
        (_, None) => Some("store"),
        (Some(last), Some(at)) if last.saturating_sub(at) > LAG_MAX => Some("projector"),
        _ => None,
    };
    let status = if cause.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let value = Ready { ready: cause.is_none(), cause, journal, projected: store };
    (status, Json(value)).into_response()
}

/// `GET /metrics`, as Prometheus reads them.
pub(crate) async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let (journal, store) = standing(&gateway).await;
    let hall = gateway.desk.hall();
    let now = gateway.live.now();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        if let Some(value) = value {
            let _infallible = writeln!(text, "{name}{{hall=\"{hall}\"}} {value}");
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    let float = |it: u64| it as f64;
    gauge("zhoubao_journal_position", "Last position of the journal.", journal.map(float));
    gauge("zhoubao_projector_position", "Position of the read models.", store.map(float));
    let lag = journal.zip(store).map(|(last, at)| float(last.saturating_sub(at)));
    gauge("zhoubao_projector_lag_events", "Events not yet in the read models.", lag);
    let age = now.as_of.map(|it| gateway.clock.now().duration_since(it).as_secs_f64());
    gauge(
        "zhoubao_projector_lag_seconds",
        "Time since the read models were known to have everything.",
        age,
    );
    let readers = float(gateway.live.readers() as u64);
    gauge("zhoubao_live_readers", "Readers of the live board.", Some(readers));
    if let Some(counts) = now.frame.and_then(|it| it.board.counts) {
        for (word, count) in [
            ("counted", counts.counted),
            ("flagged", counts.flagged),
            ("quarantined", counts.quarantined),
            ("held", counts.held),
            ("repeated", counts.repeated),
        ] {
            let name = format!("zhoubao_events_{word}");
            gauge(&name, "Events of the journal by what became of them.", Some(float(count)));
        }
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
