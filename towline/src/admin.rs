//! Metrics and health, on the admin listener.

use consumer::Replication;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ops::{
    Metrics,
    link::{LinkBody, full},
};
use store::{Refusal, Store};

/// Answers `/metrics`, `/health/live` and `/health/ready`.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    /// At a secondary.
    pub(crate) replication: Option<Replication>,
}

impl Admin {
    pub(crate) fn answer(&self, request: &Request<Incoming>) -> Response<LinkBody> {
        let (status, text) = match request.uri().path() {
            "/metrics" => {
                self.observe();
                (StatusCode::OK, self.metrics.render())
            }
            "/health/live" => self.live(),
            "/health/ready" => match (self.live(), self.store.refusal()) {
                ((StatusCode::OK, _), Some(Refusal::Disputed { why })) => {
                    (StatusCode::SERVICE_UNAVAILABLE, format!("writes are refused: {why}\n"))
                }
                (live, _) => live,
            },
            _ => (StatusCode::NOT_FOUND, "no such path\n".to_owned()),
        };
        let mut response = Response::new(full(text));
        *response.status_mut() = status;
        response
    }

    fn live(&self) -> (StatusCode, String) {
        if *self.store.failed().borrow() {
            return (StatusCode::INTERNAL_SERVER_ERROR, "a commit failed; restart\n".to_owned());
        }
        (StatusCode::OK, "ok\n".to_owned())
    }

    /// Reads off what is known only when it is asked for.
    pub(crate) fn observe(&self) {
        if let Some(replication) = &self.replication {
            replication.report();
        }
        let identity = self.store.identity();
        let name = identity.name.as_str();
        let written = self.store.written().borrow().clone();
        for (partition, written) in identity.partitions.iter().zip(written.iter()) {
            let partition = partition.0.to_string();
            for (point, seq) in [("written", written.seq), ("trimmed", written.trimmed)] {
                let gauge = self.metrics.position.with_label_values(&[name, &partition, point]);
                gauge.set(seq.0.cast_signed());
            }
        }
        for reason in ["secondary", "disputed"] {
            let refused = match self.store.refusal() {
                Some(Refusal::Secondary { .. }) => reason == "secondary",
                Some(Refusal::Disputed { .. }) => reason == "disputed",
                None => false,
            };
            self.metrics.writes_refused.with_label_values(&[reason]).set(i64::from(refused));
        }
        if let Err(error) = self.observe_peers() {
            tracing::warn!(%error, "metrics of peers were not read");
        }
    }

    fn observe_peers(&self) -> Result<(), store::ReadError> {
        let identity = self.store.identity();
        let written = self.store.written().borrow().clone();
        for (partition, fenced) in self.store.fence()? {
            let labels = [identity.name.as_str(), &partition.0.to_string(), "fenced"];
            self.metrics.position.with_label_values(&labels).set(fenced.0.cast_signed());
        }
        for peer in self.store.peers()? {
            let (mut depth, mut oldest) = (0, None);
            for (partition, written) in identity.partitions.iter().zip(written.iter()) {
                let applied = peer
                    .acknowledged
                    .iter()
                    .find(|ack| ack.epoch == identity.epoch && ack.partition == partition);
                let applied = applied.map_or(model::Seq::NONE, |ack| ack.applied);
                depth += written.seq.0.saturating_sub(applied.0);
                let next = self.store.history(identity.epoch, partition, applied, 1)?;
                let time = next.first().map(|event| event.version.hlc.millis());
                oldest = oldest.into_iter().chain(time).min();
            }
            let age = oldest.map_or(0.0, |oldest| self.store.now().since(oldest).as_secs_f64());
            let name = [peer.name.as_str()];
            self.metrics.history_depth.with_label_values(&name).set(depth.cast_signed());
            self.metrics.history_age_seconds.with_label_values(&name).set(age);
        }
        Ok(())
    }
}
