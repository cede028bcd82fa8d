//! What the clients of one end share: where the brokers are, which topic, and how they fare.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};

use super::config::KafkaConfig;
use super::error::classify;
use super::observer::Observer;
use super::retire::Retiring;
use super::state::KafkaState;
use crate::BusError;

/// One end of one topic.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) config: KafkaConfig,
    pub(super) topic: String,
    pub(super) state: Arc<KafkaState>,
}

impl End {
    pub(super) fn new(config: KafkaConfig, topic: String) -> Self {
        Self { config, topic, state: Arc::default() }
    }

    /// A client that reports to this end's state.
    pub(super) fn connect<C, T>(
        &self,
        settings: &ClientConfig,
        context: impl FnOnce(Observer) -> C,
    ) -> Result<Retiring<T>, BusError>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C> + Send + 'static,
    {
        // librdkafka's threads may still run when the process exits. This is the one safe way to
        // keep OpenSSL from tearing itself down under them.
        openssl_sys::init();
        let context = context(Observer(Arc::clone(&self.state)));
        let client = T::from_config_and_context(settings, context);
        client.map(Retiring::new).map_err(|error| classify("connect", &error))
    }

    /// Runs what waits inside librdkafka where it holds up nobody. It ends by its own deadline
    /// even if nobody waits for it any more.
    pub(super) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, BusError> + Send + 'static,
    ) -> Result<R, BusError> {
        let done = tokio::task::spawn_blocking(work).await;
        self.explain(done.unwrap_or(Err(BusError::Closed)))
    }

    /// An answer clears a refusal, and a refusal explains why there is no answer.
    pub(super) fn explain<R>(&self, outcome: Result<R, BusError>) -> Result<R, BusError> {
        match outcome {
            Err(BusError::Unavailable(text)) => match self.state.status().refusal {
                Some(refusal) => Err(BusError::Rejected(format!("{text}: {refusal}"))),
                None => Err(BusError::Unavailable(text)),
            },
            Err(other) => Err(other),
            Ok(done) => {
                self.state.reached();
                Ok(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn end() -> End {
        let config = KafkaConfig {
            brokers: Vec::new(),
            client_id: "towline".to_owned(),
            tls: None,
            linger: Duration::ZERO,
        };
        End::new(config, "towline.a".to_owned())
    }

    #[test]
    fn a_refusal_explains_silence_until_a_broker_answers() {
        let end = end();
        let silence = || Err::<(), _>(BusError::Unavailable("read: timed out".to_owned()));
        assert_eq!(end.explain(silence()), silence());
        end.state.refused("unknown ca");
        let rejected = BusError::Rejected("read: timed out: unknown ca".to_owned());
        assert_eq!(end.explain(silence()), Err(rejected));
        assert_eq!(end.explain(Ok(())), Ok(()));
        assert_eq!(end.explain(silence()), silence());
        assert_eq!(end.explain(Err::<(), _>(BusError::Closed)), Err(BusError::Closed));
    }

    #[tokio::test]
    async fn work_that_panics_closes() {
        let end = end();
        let outcome = end.blocking(|| -> Result<(), _> { panic!("as asked") });
        assert_eq!(outcome.await, Err(BusError::Closed));
    }
}
