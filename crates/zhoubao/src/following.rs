//! 轨迹: hands the ways of events ([`zhoubao_application::way`]) to a collector of OpenTelemetry, over OTLP/HTTP.
//!
//! Ids follow from the name of the event, so the parts that several processes tell come together at the collector. What
//! it does not take in time is lost, and nothing waits for it.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{Request, Response, Uri};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, SdkTracer, SdkTracerProvider};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer};
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_application::way::{self, Part};

use crate::failure::{Failure, chain};

/// Longest wait for an answer of the collector.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest wait for the last parts to be taken when a process ends.
const END_MAX: Duration = Duration::from_secs(5);

/// Address of a collector, without the path of its traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorAt(String);

impl FromStr for CollectorAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.trim_end_matches('/');
        let is_plain = address.parse::<Uri>().is_ok_and(|it| {
            let host = it.authority().is_some_and(|it| !it.as_str().contains('@'));
            it.scheme_str() == Some("http") && host && it.path() == "/" && it.query().is_none()
        });
        if is_plain {
            return Ok(Self(address.to_owned()));
        }
        Err("expected the address of a collector, such as `http://127.0.0.1:4318`; one elsewhere is reached through a collector on this machine".to_owned())
    }
}

impl fmt::Display for CollectorAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What follows the ways, for as long as the process runs.
pub struct Following(SdkTracerProvider);

impl Following {
    /// Follows from now on. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// E.780 where the collector's address is none after all.
    pub fn start(collector: &CollectorAt) -> Result<(Self, Ways), Failure> {
        let client = Client {
            client: HyperClient::with_default_connector(ANSWER_MAX, None),
            runtime: Handle::current(),
            is_reached: AtomicBool::new(true),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{collector}/v1/traces"))
            .with_http_client(client)
            .build()
            .map_err(|error| Failure::configuration(format!("`otlp`: {}", chain(&error))))?;
        let resource = Resource::builder()
            .with_service_name("zhoubao")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_id_generator(Ids)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("zhoubao");
        Ok((Self(provider), Ways(tracer)))
    }

    /// Hands over what is left.
    pub async fn end(self) {
        // It blocks until the collector has answered, or will not.
        let ended =
            tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END_MAX)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last parts of the ways of events did not reach the collector");
        }
    }
}

/// Turns what is told of ways into spans.
pub struct Ways(SdkTracer);

impl<S: Subscriber> Layer<S> for Ways {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let now_us = SystemClock.now().as_microsecond();
        let mut told = Told::default();
        event.record(&mut told);
        let Some(part) = told.part else { return };
        let (trace, first) = way::trace(&told.subject, &told.id);
        let (trace, first) = (TraceId::from_bytes(trace), SpanId::from_bytes(first));
        let own = if part.is_first() { first } else { span_of(trace, part, told.position) };
        let ago = || Some(now_us.saturating_sub_unsigned(told.ago_us?));
        // The journal's clock may be ahead of this machine's.
        let since_us = told.at_us.or_else(ago).unwrap_or(now_us).min(now_us);
        let mut attributes = vec![
            KeyValue::new("zhoubao.subject", told.subject),
            KeyValue::new("zhoubao.number", told.id),
        ];
        if let Some(position) = told.position.and_then(|it| i64::try_from(it).ok()) {
            attributes.push(KeyValue::new("log.position", position));
        }
        let parent = if part.is_first() {
            Context::new()
        } else {
            let parent =
                SpanContext::new(trace, first, TraceFlags::SAMPLED, true, TraceState::default());
            Context::new().with_remote_span_context(parent)
        };
        NEXT.set((trace, own));
        let builder = self.0.span_builder(part.name());
        let builder = builder.with_kind(SpanKind::Internal).with_start_time(time(since_us));
        let mut span = builder.with_attributes(attributes).start_with_context(&self.0, &parent);
        span.end_with_timestamp(time(now_us));
    }
}

/// A time in microseconds since 1970.
fn time(us: i64) -> SystemTime {
    let since_epoch = Duration::from_micros(u64::try_from(us).unwrap_or_default());
    SystemTime::UNIX_EPOCH + since_epoch
}

/// The span of a part: the same message told twice is the same span.
fn span_of(trace: TraceId, part: Part, position: Option<u64>) -> SpanId {
    let digest = Sha256::digest(format!("{trace} {} {position:?}", part.name()));
    let mut span = [0; 8];
    span.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(span)
}

thread_local! {
    /// The ids of the span that this thread makes next: the library asks for them without saying what for.
    static NEXT: Cell<(TraceId, SpanId)> = const { Cell::new((TraceId::INVALID, SpanId::INVALID)) };
}

#[derive(Debug)]
struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().0
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().1
    }
}

/// What was told, field by field.
#[derive(Default)]
struct Told {
    part: Option<Part>,
    subject: String,
    id: String,
    position: Option<u64>,
    ago_us: Option<u64>,
    at_us: Option<i64>,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "part" => self.part = Part::named(value),
            "subject" => value.clone_into(&mut self.subject),
            "id" => value.clone_into(&mut self.id),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "position" => self.position = Some(value),
            "ago_us" => self.ago_us = Some(value),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "at_us" {
            self.at_us = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Asks on the runtime of the program: the thread that hands spans over has none.
#[derive(Debug)]
struct Client {
    client: HyperClient,
    runtime: Handle,
    /// Whether it answered when it was last asked: an outage is told once.
    is_reached: AtomicBool,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = self.runtime.spawn(async move { client.send_bytes(request).await });
        let answer = answer.await.map_err(HttpError::from).flatten();
        let is_taken = answer.as_ref().is_ok_and(|it| it.status().is_success());
        match (self.is_reached.swap(is_taken, Ordering::Relaxed), &answer) {
            (true, Ok(answer)) if !is_taken => {
                tracing::warn!(status = answer.status().as_u16(), "the collector takes no traces");
            }
            (true, Err(error)) => {
                let error = chain(&**error);
                tracing::warn!(error, "the collector of traces does not answer; they are lost");
            }
            (false, Ok(_)) if is_taken => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_collector_is_one() {
        for text in ["http://127.0.0.1:4318", "http://collector:4318/"] {
            let at = text.parse::<CollectorAt>().unwrap();
            assert_eq!(at.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "127.0.0.1:4318",
            "https://a:4318",
            "http://u:p@a",
            "http://a/v1/traces",
            "http://a?b",
        ] {
            assert!(text.parse::<CollectorAt>().is_err(), "{text}");
        }
    }
}
