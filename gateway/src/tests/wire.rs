//! Signatures and encodings of bodies, as they are on the wire.

use store::Sizes;

use super::site::{BLOCK, INLINE_MAX, Site, ask, bytes};
use crate::chunk_limit::CHUNK_BYTES_MAX;

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A put of `size` bytes, whose body comes in chunks.
fn chunked(kind: &str, size: usize) -> super::site::Ask {
    ask("PUT", "/photos/a")
        .header("x-amz-content-sha256", kind)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &size.to_string())
}

fn unsigned(size: usize) -> super::site::Ask {
    chunked("STREAMING-UNSIGNED-PAYLOAD-TRAILER", size)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
}

fn crc32(body: &[u8]) -> String {
    let sum = s3s::crypto::Crc32::checksum_u32(body);
    base64_simd::STANDARD.encode_to_string(sum.to_be_bytes())
}

fn one_chunk(body: &[u8], trailer: &str) -> Vec<u8> {
    let line = format!("{:x}\r\n", body.len());
    [line.as_bytes(), body, b"\r\n0\r\n", trailer.as_bytes(), b"\r\n"].concat()
}

#[tokio::test]
async fn who_does_not_sign_rightly_does_not_come_in() {
    let site = Site::with_bucket().await;
    let mut request = ask("GET", "/photos");
    request.secret = "wrong";
    assert_eq!(site.send(request).await.error(), code(403, "SignatureDoesNotMatch"));
    let mut request = ask("GET", "/photos");
    request.access = "NOBODY";
    assert_eq!(site.send(request).await.error(), code(403, "InvalidAccessKeyId"));
    let refused = site.send_raw(ask("GET", "/photos").unsigned()).await;
    assert_eq!(refused.error(), code(403, "AccessDenied"));
    let text = site.metrics.render();
    assert!(text.contains("towline_s3_requests_total{op=\"none\",status=\"403\"} 2"), "{text}");
}

#[tokio::test]
async fn an_unsigned_body_with_a_trailer_is_checked_by_it() {
    let (block, inline_max) = (64 * 1024, INLINE_MAX);
    let site = Site::with_sizes(1, Sizes { block, inline_max }).await;
    assert_eq!(site.send(ask("PUT", "/photos")).await.status, 200);
    // Larger than a piece, so that it is split on its way.
    let body = bytes(700_000);
    let trailer = format!("x-amz-checksum-crc32:{}\r\n", crc32(&body));
    let put = unsigned(body.len()).body(&one_chunk(&body, &trailer));
    let answer = site.send(put).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-amz-checksum-crc32"), Some(&*crc32(&body)));
    let got = site.get("/photos/a").await;
    assert!(got.body == body);
    assert_eq!(got.header("content-encoding"), None);

    let small = bytes(10);
    let cases = [
        ("x-amz-checksum-crc32:AAAAAA==\r\n", 10, "BadDigest"),
        ("", 10, "IncompleteBody"),
        (&trailer, 11, "IncompleteBody"),
        (&trailer, 9, "IncompleteBody"),
    ];
    for (trailer, size, wrong) in cases {
        let put = unsigned(size).body(&one_chunk(&small, trailer));
        assert_eq!(site.send(put).await.error(), code(400, wrong), "{trailer:?} {size}");
    }
    let cut = unsigned(10).body(b"a\r\n12345");
    assert_eq!(site.send(cut).await.error(), code(400, "IncompleteBody"));
    let odd = unsigned(10).body(b"no chunk at all\r\n");
    assert_eq!(site.send(odd).await.error(), code(400, "IncompleteBody"));
    let other = unsigned(10).header("x-amz-trailer", "x-other").body(&one_chunk(&small, ""));
    assert_eq!(site.send(other).await.error(), code(400, "InvalidRequest"));
    assert!(site.get("/photos/a").await.body == body, "nothing of it was committed");
}

#[tokio::test]
async fn signed_chunks_are_each_verified() {
    let site = Site::with_bucket().await;
    let body = bytes(5 * BLOCK);
    let put = |spoil: bool| {
        chunked("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body.len()).sign_streaming(|mut signer| {
            let mut wire: Vec<u8> =
                body.chunks(2 * BLOCK).flat_map(|part| signer.chunk(part)).collect();
            wire.extend(signer.chunk(b""));
            if spoil {
                wire[100 + 2 * BLOCK / 2] ^= 1;
            }
            wire
        })
    };
    assert_eq!(site.send_raw(put(true)).await.error(), code(403, "SignatureDoesNotMatch"));
    assert_eq!(site.get("/photos/a").await.error(), code(404, "NoSuchKey"));
    let answer = site.send_raw(put(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(site.get("/photos/a").await.body == body);
}

#[tokio::test]
async fn a_signed_chunk_that_would_fill_the_memory_is_refused() {
    let site = Site::with_bucket().await;
    let size = usize::try_from(CHUNK_BYTES_MAX).unwrap() + 1;
    let line = format!("{size:x};chunk-signature={}\r\n", "0".repeat(64));
    let put = chunked("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", size);
    let refused = site.send_raw(put.sign_streaming(|_| line.into_bytes())).await;
    assert_eq!(refused.error(), code(400, "InvalidRequest"));
    assert!(refused.tag("Message").unwrap().contains("4194304"));
}
