//! A plain HTTP/1.1 server for metrics, health and administration.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::link::LinkBody;

/// How long answers under way may take when the site stops: what they say may be nowhere else, as
/// a secret that has just been drawn.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Wait before the next try when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until cancelled; then ends those under way.
///
/// # Errors
/// Never while the listener works.
pub async fn serve_plain<H, F>(
    listener: TcpListener,
    handler: H,
    cancelled: CancellationToken,
) -> std::io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<LinkBody>> + Send + 'static,
{
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = cancelled.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (handler, cancelled) = (handler.clone(), cancelled.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(tcp), service);
            let mut connection = std::pin::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = cancelled.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(error = %crate::chain(&error), "admin connection ended");
            }
        });
    }
    connections.close();
    let _slow = tokio::time::timeout(DRAIN_MAX, connections.wait()).await;
    Ok(())
}
