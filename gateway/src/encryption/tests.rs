use proptest::prelude::*;
use s3s::S3ErrorCode;

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

fn wish(method: Option<&'static str>, key_id: Option<&str>, with_key: bool) -> S3Result<Wish> {
    let (key, md5) = key();
    let method = method.map(ServerSideEncryption::from_static);
    let customer = match with_key {
        true => customer(Some("AES256"), Some(&key), Some(&md5)),
        false => customer(None, None, None),
    };
    let key_id = key_id.map(str::to_owned);
    Wish::new(Sent { method, key_id, context: None, bucket_key: None, customer })
}

#[test]
fn a_method_that_is_not_there_is_refused() {
    assert!(matches!(wish(None, None, false), Ok(Wish::Plain)));
    assert!(matches!(wish(Some(AES256), None, false), Ok(Wish::Site)));
    assert!(matches!(wish(None, None, true), Ok(Wish::Client(_))));
    assert!(matches!(wish(Some(KMS), None, false), Ok(Wish::Named(_))));
    assert!(matches!(wish(Some(KMS), Some("alias/k"), false), Ok(Wish::Named(_))));
    let argument = Some(S3ErrorCode::InvalidArgument);
    for (method, key_id, with_key) in [
        (Some(AES256), None, true),
        (Some(KMS), None, true),
        (Some("AES128"), None, false),
        (None, Some("k"), false),
        (None, Some("k"), true),
        (Some(AES256), Some("k"), false),
    ] {
        assert_eq!(code(wish(method, key_id, with_key)), argument, "{method:?}");
    }
    assert_eq!(code(wish(Some("aws:kms:dsse"), None, false)), Some(S3ErrorCode::NotImplemented));
}

#[test]
fn no_site_tells_the_md5_of_what_only_the_client_or_a_named_key_opens() {
    let (key, md5) = key();
    let client = customer(Some("AES256"), Some(&key), Some(&md5)).key().unwrap();
    assert_ne!(Settled::Client(client.unwrap()).shown().tag([1; 16]), [1; 16]);
    let (id, shown) = ("k".to_owned(), "alias/k".to_owned());
    let named = NamedKey { id, shown, context: <_>::default(), bucket_key: true };
    let shown = Settled::Named(named, None).shown();
    assert_ne!(shown.tag([1; 16]), [1; 16]);
    assert_eq!((shown.key_id.as_deref(), shown.bucket_key), (Some("alias/k"), Some(true)));
    assert_eq!(Settled::Site.shown().tag([1; 16]), [1; 16]);
    assert_eq!(Settled::Plain.shown().tag([1; 16]), [1; 16]);
}

#[test]
fn keys_of_clients_come_over_tls_or_from_this_machine() {
    let refused = |peer: Option<(&str, bool)>, header: &'static str| {
        let peer = peer.map(|(ip, secure)| Peer { ip: ip.parse().unwrap(), secure });
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(header),
            http::HeaderValue::from_static("x"),
        )]);
        code(of_secure_connection(&headers, peer)) == Some(S3ErrorCode::InvalidRequest)
    };
    for header in [
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key",
    ] {
        assert!(refused(Some(("192.0.2.1", false)), header));
        assert!(refused(Some(("2001:db8::1", false)), header));
        for peer in [("192.0.2.1", true), ("127.0.0.1", false), ("::ffff:127.0.0.1", false)] {
            assert!(!refused(Some(peer), header), "{peer:?}");
        }
        assert!(!refused(None, header));
    }
    assert!(!refused(Some(("192.0.2.1", false)), "x-amz-server-side-encryption"));
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
