//! The admin listener: metrics and health for everybody, the admin API for who has the token.

use consumer::{Replication, fullsync::Jobs};
use gateway::admin::{AdminApi, registered_sites};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ops::{
    Metrics,
    link::{LinkBody, full},
};
use producer::Heard;
use store::{Refusal, Store};

/// Answers `/metrics`, `/health/live`, `/health/ready`, and what is below `/v1`.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    /// At a secondary.
    pub(crate) replication: Option<Replication>,
    /// Of sites that follow this one.
    pub(crate) heard: Heard,
    pub(crate) jobs: Option<Jobs>,
    pub(crate) api: AdminApi,
}

impl Admin {
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<LinkBody> {
        if request.uri().path().starts_with("/v1/") {
            return self.api.answer(request).await;
        }
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
        if let Some(Err(error)) = self.jobs.as_ref().map(Jobs::report) {
            tracing::warn!(error = %ops::chain(&error), "metrics of full sync were not read");
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
        match self.store.quarantined_counts() {
            Ok(counts) => counts.into_iter().for_each(|(reason, count)| {
                let gauge = self.metrics.quarantined.with_label_values(&[reason]);
                gauge.set(count.cast_signed());
            }),
            Err(error) => {
                tracing::warn!(error = %ops::chain(&error), "metrics of quarantine were not read");
            }
        }
        if let Err(error) = self.observe_peers() {
            tracing::warn!(error = %ops::chain(&error), "metrics of peers were not read");
        }
    }

    fn observe_peers(&self) -> Result<(), store::ReadError> {
        let identity = self.store.identity();
        for (partition, fenced) in self.store.fence()? {
            let labels = [identity.name.as_str(), &partition.0.to_string(), "fenced"];
            self.metrics.position.with_label_values(&labels).set(fenced.0.cast_signed());
        }
        let silent = |site| self.heard.silent(site, self.store.now());
        for site in registered_sites(&self.store, &silent)? {
            let name = [site.name.as_str()];
            self.metrics.peer_silent_seconds.with_label_values(&name).set(site.silent_seconds);
            self.metrics
                .history_depth
                .with_label_values(&name)
                .set(site.depth_events.cast_signed());
            self.metrics.history_age_seconds.with_label_values(&name).set(site.age_seconds);
        }
        Ok(())
    }
}
