//! The way of an event from the window to the screen, as a collector of OpenTelemetry hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zhoubao_application::way::trace;
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall};
use crate::terminal_http::{Device, consultation};
use crate::web::{Service, Visitor};

fn locked(spans: &Mutex<Vec<Span>>) -> MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A collector, and what it was told.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
    work: JoinHandle<std::io::Result<()>>,
}

impl Collector {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let spans = Arc::new(Mutex::new(Vec::new()));
        let told = spans.clone();
        let take = async move |body: Bytes| {
            let Ok(request) = ExportTraceServiceRequest::decode(body) else {
                return StatusCode::BAD_REQUEST;
            };
            let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
            locked(&told).extend(scopes.flat_map(|it| it.spans));
            StatusCode::OK
        };
        let app = Router::new().route("/v1/traces", post(take));
        let work = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, spans, work })
    }

    /// The parts of the way of an event, by name, once all of `names` are there.
    async fn way(&self, id: &str, names: &[&str]) -> anyhow::Result<BTreeMap<String, Span>> {
        let (trace, _) = trace(LINE, id);
        eventually("the way of the event", COMMAND_MAX, async || {
            let spans = locked(&self.spans);
            let of = spans.iter().filter(|it| it.trace_id == trace);
            let of: BTreeMap<_, _> = of.map(|it| (it.name.clone(), it.clone())).collect();
            Ok(names.iter().all(|it| of.contains_key(*it)).then_some(of))
        })
        .await
    }
}

const LINE: &str = "hall.510000.terminal.w01";

fn attribute(span: &Span, key: &str) -> anyhow::Result<Attribute> {
    let found = span.attributes.iter().find(|it| it.key == key);
    let value = found.and_then(|it| it.value.clone()).and_then(|it| it.value);
    value.with_context(|| format!("no {key}: {span:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_an_event_is_followed_from_the_window_to_the_screen() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let collector = Collector::start().await?;
    let settings = format!("otlp = \"{}\"\n", collector.address);
    std::fs::write(hall.dir().join("zhoubao.toml"), settings)?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address).welcomed(&hall, "e01").await?;
    eventually("a board", COMMAND_MAX, async || {
        Ok((visitor.get("/v1/board").await?.status == 200).then_some(()))
    })
    .await?;
    let device = Device::start(&hall).await?;
    // The page saw the key 700 ms before it sent this.
    let pressed = device.port.with("Pressed-Ms", "700");
    let answer = pressed.post("/v1/events", &consultation("a")).await?;
    ensure!(answer.status == 200, "{answer:?}");

    // Two processes tell of one event, which carries nothing for it.
    let names = ["event.record", "event.send", "event.count", "event.show"];
    let way = collector.way("1", &names).await?;
    assert_eq!(way.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(names));
    let (first, rest) = (&way["event.record"], &names[1..]);
    assert_eq!((&first.span_id[..], &first.parent_span_id[..]), (&trace(LINE, "1").1[..], &[][..]));
    let position = hall.last().await?;
    for name in rest {
        let span = &way[*name];
        assert_eq!(span.parent_span_id, first.span_id, "{span:?}");
        let position = Attribute::IntValue(i64::try_from(position)?);
        assert_eq!(attribute(span, "log.position")?, position, "{span:?}");
    }
    for span in way.values() {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        assert_eq!(attribute(span, "zhoubao.subject")?, Attribute::StringValue(LINE.to_owned()));
        assert_eq!(attribute(span, "zhoubao.number")?, Attribute::StringValue("1".to_owned()));
    }
    let ends = names.map(|it| way[it].end_time_unix_nano);
    assert!(ends[0] <= ends[2] && ends[2] <= ends[3], "counted before it is shown: {ends:?}");
    let took = first.end_time_unix_nano - first.start_time_unix_nano;
    assert!((700_000_000..60_000_000_000).contains(&took), "from the key press: {first:?}");

    // What the service itself writes: here that somebody was refused.
    assert_eq!(visitor.get("/admin").await?.status, 403);
    let appended = eventually("what the service wrote", COMMAND_MAX, async || {
        Ok(locked(&collector.spans).iter().find(|it| it.name == "event.append").cloned())
    })
    .await?;
    let named = (attribute(&appended, "zhoubao.subject")?, attribute(&appended, "zhoubao.number")?);
    let (Attribute::StringValue(subject), Attribute::StringValue(id)) = named else {
        anyhow::bail!("{appended:?}");
    };
    assert_eq!(appended.trace_id, trace(&subject, &id).0);

    // Nothing waits for a collector that is gone.
    collector.work.abort();
    let before = hall.checkpoint().await?.1.counted;
    let answer = device.port.post("/v1/events", &consultation("b")).await?;
    ensure!(answer.status == 200, "{answer:?}");
    eventually("the event to be counted", COMMAND_MAX, async || {
        Ok((hall.checkpoint().await?.1.counted > before).then_some(()))
    })
    .await?;
    device.kill().await?;
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_collector_is_refused() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    std::fs::create_dir_all(hall.dir())?;
    std::fs::write(hall.dir().join("zhoubao.toml"), "otlp = \"https://example.org/x\"\n")?;
    let refused = hall.run(&["doctor"]).await?.fails(78, "E.780").err;
    assert!(refused.contains("http://127.0.0.1:4318"), "{refused}");
    Ok(())
}
