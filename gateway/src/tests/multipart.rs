//! Uploads in parts: what is said before a body is taken in, and what runs beside other requests.

use std::pin::pin;

use super::site::{BLOCK, Site, ask};

/// Begins an upload of `/photos/a`; its id.
async fn begin(site: &Site) -> String {
    let begun = site.send(ask("POST", "/photos/a?uploads")).await;
    begun.tag("UploadId").unwrap()
}

#[tokio::test]
async fn a_part_with_which_the_object_would_be_too_large_is_refused_before_its_body() {
    let site = Site::with_bucket().await;
    let id = begin(&site).await;
    let max = model::object_bytes_max(BLOCK as u64);
    assert_eq!(max, 64 * 7 * (1 << 20), "with blocks of 64 bytes");
    let part = |number: u16| ask("PUT", &format!("/photos/a?partNumber={number}&uploadId={id}"));
    let announce = |number, size: u64| part(number).header("content-length", &size.to_string());
    let alone = site.send(announce(1, max + 1)).await;
    assert_eq!(alone.error(), (400, "EntityTooLarge".to_owned()));
    let told = alone.tag("Message").unwrap();
    assert!(told.contains(&max.to_string()) && told.contains("`s3.block_size`"), "{told}");
    for _ in 0..2 {
        assert_eq!(site.send(part(1).body(&[1; 1_000])).await.status, 200);
    }
    let with_the_first = site.send(announce(2, max - 999)).await;
    assert_eq!(with_the_first.error(), (400, "EntityTooLarge".to_owned()));
    // What would fit is taken in, and then has fewer bytes than announced.
    for fits in [announce(2, max - 1_000), announce(1, max)] {
        assert_eq!(site.send(fits).await.error(), (400, "IncompleteBody".to_owned()));
    }
}

#[test]
fn what_looks_at_many_rows_leaves_the_runtime_to_other_requests() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let site = Site::with_bucket().await;
        let id = begin(&site).await;
        let parts = "<Part><PartNumber>1</PartNumber><ETag>none</ETag></Part>";
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let complete = ask("POST", &format!("/photos/a?uploadId={id}")).body(body.as_bytes());
        for (ask, status) in [
            (ask("GET", "/photos?delimiter=%2F&uploads"), 200),
            (ask("GET", &format!("/photos/a?uploadId={id}")), 200),
            (ask("GET", "/photos?delimiter=%2F"), 200),
            // No such part.
            (complete, 400),
        ] {
            let (free, taken) = std::sync::mpsc::channel::<()>();
            let only_thread = tokio::task::spawn_blocking(move || taken.recv());
            let mut answer = pin!(site.send(ask));
            for _ in 0..100 {
                assert!(futures::poll!(answer.as_mut()).is_pending());
                tokio::task::yield_now().await;
            }
            free.send(()).unwrap();
            only_thread.await.unwrap().unwrap();
            assert_eq!(answer.await.status, status);
        }
    });
}
