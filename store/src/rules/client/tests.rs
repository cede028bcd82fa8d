use super::*;
use crate::store::tests::{bucket, caller, key, pair, put};

#[tokio::test]
async fn what_is_deleted_is_what_was_seen() {
    let (east, _west, _homes) = pair().await;
    put(&east, "one", b"123").await.unwrap();
    let delete = async |name: &str, seen: Seen| {
        let object = (bucket(), key(name));
        east.delete_object(object, caller(), Condition::Seen(seen)).await.map(|_| ())
    };
    let (etag, any) = (|etag: &str| Some(ETag(etag.to_owned())), Seen::default);
    for wrong in [
        Seen { there: true, etag: etag("4"), ..any() },
        Seen { modified: Some(0), ..any() },
        Seen { size: Some(4), ..any() },
        Seen { there: true, etag: etag("4"), size: Some(3), ..any() },
    ] {
        assert!(matches!(delete("one", wrong).await, Err(WriteError::PreconditionFailed)));
    }
    delete("one", Seen { there: true, etag: etag("3"), size: Some(3), ..any() }).await.unwrap();
    delete("one", Seen { size: Some(4), modified: Some(0), ..any() }).await.unwrap();
    let gone = delete("one", Seen { there: true, ..any() }).await;
    assert!(matches!(gone, Err(WriteError::NoSuchKey)));
}
