//! `/metrics`: OpenMetrics text, made from the ledger's own counts, so that metrics and ledger can't disagree.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::servers::Health;

use super::Admin;

pub(super) async fn page(State(admin): State<Admin>) -> Response {
    let mut registry = Registry::with_prefix("tollgate");
    registry.register_collector(Box::new(Scrape(admin)));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => super::refusal(axum::http::StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

#[derive(Debug)]
struct Scrape(Admin);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gate = &self.0.gate;
        let calls = gate
            .ledger
            .counts()
            .into_iter()
            .map(|(outcome, n)| ([("outcome", outcome.as_str().to_owned())], n));
        family(&mut encoder, "calls", "closed ledger entries by outcome", calls, ConstCounter::new)?;
        let requests = gate.counters.all().into_iter().map(|(label, n)| ([("kind", label.to_owned())], n));
        family(
            &mut encoder,
            "requests",
            "requests that leave no entry, by kind",
            requests,
            ConstCounter::new,
        )?;
        let servers = gate.servers.all();
        let up = servers.iter().map(|s| {
            let ready = matches!(s.health(), Health::Ready(_));
            ([("server", s.config.alias.to_string())], i64::from(ready))
        });
        family(&mut encoder, "server_up", "1 where a server answers", up, ConstGauge::new)?;
        let parked = i64::try_from(gate.forwarder.parking.len()).unwrap_or(i64::MAX);
        family(
            &mut encoder,
            "parked_calls",
            "calls whose server waits for an answer",
            [([], parked)],
            ConstGauge::new,
        )?;
        let open = i64::try_from(gate.ledger.open_entries()).unwrap_or(i64::MAX);
        family(
            &mut encoder,
            "open_entries",
            "begun and not closed: calls, streams, parks",
            [([], open)],
            ConstGauge::new,
        )
    }
}

fn family<const L: usize, N, M: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = ([(&'static str, String); L], N)>,
    make: impl Fn(N) -> M,
) -> Result<(), std::fmt::Error> {
    let kind: MetricType = M::TYPE;
    let mut descriptor = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in rows {
        let metric = make(value);
        metric.encode(descriptor.encode_family(&labels)?)?;
    }
    Ok(())
}
