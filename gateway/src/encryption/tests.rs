use proptest::prelude::*;

use super::*;

fn customer(algorithm: Option<&str>, key: Option<&str>, md5: Option<&str>) -> Customer {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Customer { algorithm: owned(algorithm), key: owned(key), md5: owned(md5) }
}

fn key() -> (String, String) {
    let bytes = [7; 32];
    (STANDARD.encode_to_string(bytes), STANDARD.encode_to_string(Md5::digest(bytes)))
}

fn code<T>(result: S3Result<T>) -> Option<S3ErrorCode> {
    result.err().map(|error| error.code().clone())
}

#[test]
fn a_key_comes_whole_or_is_refused() {
    let (key, md5) = key();
    let (key, md5) = (Some(key.as_str()), Some(md5.as_str()));
    let aes = Some("AES256");
    assert!(customer(None, None, None).key().unwrap().is_none());
    assert!(customer(aes, key, md5).key().unwrap().is_some());
    let short = STANDARD.encode_to_string([7; 31]);
    let argument = Some(S3ErrorCode::InvalidArgument);
    for (algorithm, key, md5) in [
        (None, key, md5),
        (aes, None, md5),
        (aes, key, None),
        (aes, Some("no base64!"), md5),
        (aes, Some(short.as_str()), md5),
        (aes, key, Some("rL0Y20zC+Fzt72VPzMSk2A==")),
    ] {
        assert_eq!(code(customer(algorithm, key, md5).key()), argument, "{algorithm:?} {md5:?}");
    }
    let other = customer(Some("AES128"), key, md5).key();
    assert_eq!(code(other), Some(S3ErrorCode::InvalidEncryptionAlgorithmError));
}

#[test]
fn a_method_that_is_not_there_is_refused() {
    let (key, md5) = key();
    let wish = |method: Option<&'static str>, kms, with_key: bool| {
        let method = method.map(ServerSideEncryption::from_static);
        let none = || customer(None, None, None);
        let one = || customer(Some("AES256"), Some(&key), Some(&md5));
        let customer = if with_key { one() } else { none() };
        Wish::new(Sent { method, kms, customer })
    };
    assert!(matches!(wish(None, false, false), Ok(Wish::Plain)));
    assert!(matches!(wish(Some(AES256), false, false), Ok(Wish::Site)));
    assert!(matches!(wish(None, false, true), Ok(Wish::Client(_))));
    let argument = Some(S3ErrorCode::InvalidArgument);
    assert_eq!(code(wish(Some(AES256), false, true)), argument);
    assert_eq!(code(wish(Some("AES128"), false, false)), argument);
    assert_eq!(code(wish(None, true, false)), argument);
    let none = Some(S3ErrorCode::NotImplemented);
    for (method, kms) in [("aws:kms", false), ("aws:kms:dsse", true), (AES256, true)] {
        assert_eq!(code(wish(Some(method), kms, false)), none, "{method}");
    }
}

#[test]
fn no_site_tells_the_md5_of_what_only_the_client_can_open() {
    let (key, md5) = key();
    let client = customer(Some("AES256"), Some(&key), Some(&md5)).key().unwrap();
    assert_ne!(Wish::Client(client.unwrap()).shown().tag([1; 16]), [1; 16]);
    assert_eq!(Wish::Site.shown().tag([1; 16]), [1; 16]);
    assert_eq!(Wish::Plain.shown().tag([1; 16]), [1; 16]);
}

proptest! {
    #[test]
    fn any_headers_are_a_key_or_refused(
        algorithm in prop::option::of("AES256|.{0,9}"),
        key: Option<String>,
        md5: Option<String>,
    ) {
        let _ = Customer { algorithm, key, md5 }.key();
    }
}
