use s3s::{S3ErrorCode, dto::StorageClass};

use super::*;

fn code<T>(result: S3Result<T>) -> Option<S3ErrorCode> {
    result.err().map(|error| error.code().clone())
}

fn put_with(change: impl FnOnce(&mut PutObjectInput)) -> Option<S3ErrorCode> {
    let mut input = PutObjectInput::builder()
        .bucket("photos".to_owned())
        .key("a".to_owned())
        .build()
        .expect("whole");
    change(&mut input);
    code(put(&input))
}

#[test]
fn a_put_that_asks_for_nothing_special_is_taken() {
    assert_eq!(put_with(|_| {}), None);
    let class = StorageClass::from_static(StorageClass::STANDARD);
    assert_eq!(put_with(|put| put.storage_class = Some(class)), None);
}

#[test]
fn a_put_never_ignores_what_it_cannot_do() {
    let no = Some(S3ErrorCode::NotImplemented);
    assert_eq!(put_with(|put| put.website_redirect_location = Some("/".to_owned())), no);
    assert_eq!(put_with(|put| put.write_offset_bytes = Some(1)), no);
    let class = StorageClass::from_static(StorageClass::GLACIER);
    let wrong = Some(S3ErrorCode::InvalidStorageClass);
    assert_eq!(put_with(|put| put.storage_class = Some(class)), wrong);
}
