use model::BlockHash;
use store::DiskFull;

use super::*;

fn shown(error: S3Error) -> (u16, String, String) {
    let status = error.status_code().expect("known").as_u16();
    let message = error.message().unwrap_or_default().to_owned();
    (status, error.code().as_str().to_owned(), message)
}

#[test]
fn every_refusal_of_a_write_has_its_code() {
    let code = |error| {
        let (status, code, _) = shown(write(error));
        (status, code)
    };
    let full = DiskFull { free: 1, reserve: 2 };
    let secondary = Refusal::Secondary { primary: "east".to_owned() };
    let disputed = Refusal::Disputed { why: "the log is ahead".to_owned() };
    let cases = [
        (WriteError::NoSuchBucket, 404, "NoSuchBucket"),
        (WriteError::BucketExists { owned: true }, 409, "BucketAlreadyOwnedByYou"),
        (WriteError::BucketExists { owned: false }, 409, "BucketAlreadyExists"),
        (WriteError::NoSuchUpload, 404, "NoSuchUpload"),
        (WriteError::UploadChanged, 409, "OperationAborted"),
        (WriteError::SourceIncomplete, 503, "ServiceUnavailable"),
        (WriteError::Assemble(UploadError::DiskFull(full.clone())), 507, "InsufficientStorage"),
        (WriteError::Denied, 403, "AccessDenied"),
        (WriteError::BucketNotEmpty, 409, "BucketNotEmpty"),
        (WriteError::NoSuchKey, 404, "NoSuchKey"),
        (WriteError::PreconditionFailed, 412, "PreconditionFailed"),
        (WriteError::Refused(secondary), 403, "AccessDenied"),
        (WriteError::Refused(disputed), 503, "ServiceUnavailable"),
        (WriteError::DiskFull(full), 507, "InsufficientStorage"),
    ];
    for (error, status, name) in cases {
        assert_eq!(code(error), (status, name.to_owned()));
    }
}

#[test]
fn a_full_disk_during_a_body_says_what_to_do() {
    let full = UploadError::DiskFull(DiskFull { free: 1, reserve: 2 });
    let (status, code, message) = shown(receive(ReceiveError::Upload(full)));
    assert_eq!((status, &*code), (507, "InsufficientStorage"));
    assert!(message.contains("free some space"));
}

#[test]
fn a_client_that_falls_silent_is_told_so() {
    let (status, code, _) = shown(receive(ReceiveError::Silent));
    assert_eq!((status, &*code), (400, "RequestTimeout"));
}

#[test]
fn what_only_this_site_can_cause_is_an_internal_error() {
    let damaged = || BlockError::Damaged(BlockHash::of(b""));
    let cases = [
        fetch(FetchError::Here(damaged())),
        fetch(FetchError::Short { missing: 1 }),
        receive(ReceiveError::Upload(UploadError::Block(damaged()))),
    ];
    for error in cases {
        let (status, code, message) = shown(error);
        assert_eq!((status, &*code), (500, "InternalError"));
        assert!(!message.contains("block"), "details are for the log");
    }
}

#[test]
fn a_chain_names_every_cause_once() {
    let error = ReceiveError::Client(std::io::Error::other("reset").into());
    assert_eq!(ops::chain(&error), "the body broke off: reset");
}
