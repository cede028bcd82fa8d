//! A plain HTTP/1.1 server for metrics, health and administration.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::link::LinkBody;

/// Answers requests until cancelled.
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
    loop {
        let accepted = tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else { continue };
        let (handler, cancelled) = (handler.clone(), cancelled.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(tcp), service);
            tokio::select! {
                () = cancelled.cancelled() => {}
                served = connection => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "admin connection ended");
                    }
                }
            }
        });
    }
}
