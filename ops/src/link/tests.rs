use std::path::Path;

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use model::SiteName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{LinkClient, LinkError, LinkServer, Pieces, full, pushed};
use crate::{
    certs,
    tls::{LinkTls, PemFile, PemPair, TlsError},
};

fn site(name: &str) -> SiteName {
    SiteName::try_from(name.to_owned()).unwrap()
}

fn load(ca: &Path, (cert, key): (&Path, &Path), allow: &[SiteName]) -> Result<LinkTls, TlsError> {
    let pair = PemPair::read(("link.cert", cert), ("link.key", key))?;
    LinkTls::new(&PemFile::read("link.ca", ca)?, &pair, allow)
}

fn letting_in(ca: &Path, certs: &Path, name: &str, allow: &[SiteName]) -> LinkTls {
    let (cert, key) = (certs.join(format!("{name}.pem")), certs.join(format!("{name}.key")));
    load(&ca.join("ca.pem"), (&cert, &key), allow).unwrap()
}

fn tls(ca: &Path, certs: &Path, name: &str) -> watch::Receiver<LinkTls> {
    watch::channel(letting_in(ca, certs, name, &[site("west")])).1
}

/// Asks a server `east`, that lets `west` in, as `name` with certificates of `certs`; the server
/// is expected to be `expected`.
async fn ask(same_ca: bool, name: &str, expected: &str) -> Result<String, LinkError> {
    let (home, abroad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = [site("east"), site("west"), site("north")];
    for directory in [&home, &abroad] {
        certs::make(directory.path(), &names).unwrap();
    }
    let server =
        LinkServer::bind(([127, 0, 0, 1], 0).into(), tls(home.path(), home.path(), "east"));
    let server = server.await.unwrap();
    let address = server.address().unwrap().to_string();
    let cancelled = CancellationToken::new();
    let handler = |peer: SiteName, _| async move { Response::new(full(format!("hello {peer}"))) };
    tokio::spawn(server.serve(handler, cancelled.clone()));
    let certs = if same_ca { &home } else { &abroad };
    let client = LinkClient::new(site(expected), address, tls(home.path(), certs.path(), name));
    let response = client.request(Request::new(full(""))).await?;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    cancelled.cancel();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_peer_on_the_list_is_let_in_under_the_name_of_its_certificate() {
    assert_eq!(ask(true, "west", "east").await.unwrap(), "hello west");
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    assert!(ask(true, "north", "east").await.is_err(), "a name that is not on the list");
    assert!(ask(false, "west", "east").await.is_err(), "a certificate of another CA");
    let other = ask(true, "west", "north").await.unwrap_err();
    assert!(matches!(other, LinkError::Refused { .. }), "a server that is somebody else");
}

#[tokio::test]
async fn a_site_that_is_away_is_unreachable() {
    let home = tempfile::tempdir().unwrap();
    certs::make(home.path(), &[site("west")]).unwrap();
    let client =
        LinkClient::new(site("east"), "127.0.0.1:1".into(), tls(home.path(), home.path(), "west"));
    let error = client.request(Request::new(full(""))).await.unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { .. }));
}

#[test]
fn certificates_are_made_once_and_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let first = certs::make(home.path(), &[site("east")]).unwrap();
    assert_eq!(first, ["ca.key", "ca.pem", "east.key", "east.pem", "class.key"]);
    assert_eq!(certs::make(home.path(), &[site("east"), site("west")]).unwrap().len(), 2);
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let home = tempfile::tempdir().unwrap();
    certs::make(home.path(), &[site("east")]).unwrap();
    let (cert, key) = (home.path().join("east.pem"), home.path().join("east.key"));
    let error = |ca: &Path| load(ca, (&cert, &key), &[]).err().unwrap().to_string();
    assert!(error(Path::new("/nonexistent")).contains("/nonexistent"));
    assert!(error(&key).contains("east.key"));
    let other = tempfile::tempdir().unwrap();
    certs::make(other.path(), &[site("east")]).unwrap();
    let other_key = other.path().join("east.key");
    let pair = load(&home.path().join("ca.pem"), (&cert, &other_key), &[]);
    assert!(pair.err().unwrap().to_string().contains("do not work together"));
}

/// A stream that never ends by itself, of a server whose settings then become `new`.
async fn stream_after(new: impl FnOnce(&Path) -> LinkTls) -> (bool, Option<LinkError>) {
    let home = tempfile::tempdir().unwrap();
    certs::make(home.path(), &[site("east"), site("west")]).unwrap();
    let old = letting_in(home.path(), home.path(), "east", &[site("west")]);
    let (settings, shown) = watch::channel(old);
    let server = LinkServer::bind(([127, 0, 0, 1], 0).into(), shown).await.unwrap();
    let address = server.address().unwrap().to_string();
    let cancelled = CancellationToken::new();
    let handler = |_, _| async {
        let piece = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"a")))]);
        let body = StreamBody::new(piece.chain(futures::stream::pending()));
        Response::new(body.boxed_unsync())
    };
    let serving = tokio::spawn(server.serve(handler, cancelled.clone()));
    let client = LinkClient::new(site("east"), address, tls(home.path(), home.path(), "west"));
    let answer = client.request(Request::new(full(""))).await.unwrap();
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    settings.send_replace(new(home.path()));
    let wait = std::time::Duration::from_millis(300);
    let ended = tokio::time::timeout(wait, body.frame()).await.is_ok();
    let again = client.request(Request::new(full(""))).await.err();
    cancelled.cancel();
    serving.await.unwrap().unwrap();
    (ended, again)
}

#[tokio::test]
async fn who_is_no_longer_let_in_loses_what_is_open() {
    let (ended, again) =
        stream_after(|home| letting_in(home, home, "east", &[site("north")])).await;
    assert!(ended && again.is_some(), "a name that was taken off the list: {again:?}");
    let (ended, again) = stream_after(|home| {
        let other = tempfile::tempdir().unwrap();
        certs::make(other.path(), &[site("east")]).unwrap();
        letting_in(other.path(), home, "east", &[site("west")])
    })
    .await;
    assert!(ended && again.is_some(), "a CA that no longer counts: {again:?}");
}

#[tokio::test]
async fn who_is_still_let_in_keeps_what_is_open() {
    let (ended, again) = stream_after(|home| {
        let again = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "ca.key"] {
            std::fs::copy(home.join(name), again.path().join(name)).unwrap();
        }
        certs::make(again.path(), &[site("east")]).unwrap();
        letting_in(home, again.path(), "east", &[site("north"), site("west")])
    })
    .await;
    assert!(!ended && again.is_none(), "a new certificate disturbs nobody: {again:?}");
}

#[tokio::test]
async fn a_server_has_ended_when_its_streams_have() {
    let home = tempfile::tempdir().unwrap();
    certs::make(home.path(), &[site("east"), site("west")]).unwrap();
    let server =
        LinkServer::bind(([127, 0, 0, 1], 0).into(), tls(home.path(), home.path(), "east"));
    let server = server.await.unwrap();
    let address = server.address().unwrap().to_string();
    let (cancelled, (held, mut streams)) = (CancellationToken::new(), watch::channel(()));
    let handler = move |_, _| {
        let held = held.clone();
        let body = pushed(
            1,
            async move |mut pieces: Pieces| {
                while pieces.send(Ok(Frame::data("more".into()))).await.is_ok() {}
            },
        );
        async move {
            let body = body.map_frame(move |frame| {
                let _held = &held;
                frame
            });
            Response::new(body.boxed_unsync())
        }
    };
    let served = tokio::spawn(server.serve(handler, cancelled.clone()));
    let client = LinkClient::new(site("east"), address, tls(home.path(), home.path(), "west"));
    let response = client.request(Request::new(full(""))).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    cancelled.cancel();
    served.await.unwrap().unwrap();
    assert!(streams.changed().now_or_never().unwrap().is_err(), "no stream is left");
}
