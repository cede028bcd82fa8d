use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::*;

const OWNER: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

fn written(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    record.write(&mut out);
    String::from_utf8(out).unwrap()
}

/// A record's fields, as who reads logs finds them: the time in its brackets, and what is in
/// quotes, are one.
pub(crate) fn fields(record: &str) -> Vec<String> {
    let (mut all, mut rest) = (Vec::new(), record.strip_suffix('\n').expect("a line"));
    loop {
        let end = match rest.as_bytes().first() {
            Some(b'"') => 2 + rest[1..].find('"').expect("a quote at its end"),
            Some(b'[') if all.len() == 2 => 1 + rest.find(']').expect("a bracket at its end"),
            _ => rest.find(' ').unwrap_or(rest.len()),
        };
        all.push(rest[..end].to_owned());
        match rest[end..].strip_prefix(' ') {
            Some(behind) => rest = behind,
            None => {
                assert_eq!(&rest[end..], "", "{record}");
                return all;
            }
        }
    }
}

/// That which the documented examples have in common.
fn example() -> Record<'static> {
    Record {
        bucket_owner: Some(OWNER),
        bucket: Some("amzn-s3-demo-bucket1"),
        // 6 February 2019, 00:00:38
        time: Millis(1_549_411_238_000),
        remote_ip: Some([192, 0, 2, 3].into()),
        requester: Some(OWNER),
        request: RequestId(0x3E57_427F_3EAA_AA1E),
        status: Some(200),
        referer: Some(b"-"),
        user_agent: Some(b"S3Console/0.4"),
        host_id: "9vKBE6vMhrNiWHZmb2L0mXOcqPGzQOI5XLnCtZNPxev+Hf+7tpT6sxDwDty4LHBUOZJG96N1234=",
        signature: Some("SigV4"),
        cipher_suite: Some("ECDHE-RSA-AES128-GCM-SHA256"),
        authentication: Some("AuthHeader"),
        host: Some(b"amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com"),
        tls: Some("TLSv1.2"),
        ..Record::default()
    }
}

fn line<'a>(method: &'a str, target: &'a str) -> Option<Line<'a>> {
    Some(Line { method, target, protocol: "HTTP/1.1" })
}

/// What follows the version of each documented example.
const REST: &str = "9vKBE6vMhrNiWHZmb2L0mXOcqPGzQOI5XLnCtZNPxev+Hf+7tpT6sxDwDty4LHBUOZJG96N1234= \
    SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com \
    TLSv1.2 -";

fn head(operation: &str) -> String {
    format!(
        "{OWNER} amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} \
         3E57427F3EAAAA1E {operation}"
    )
}

#[test]
fn records_are_those_of_the_documented_format() {
    let versioning = Record {
        operation: "REST.GET.VERSIONING",
        line: line("GET", "/amzn-s3-demo-bucket1?versioning"),
        bytes_sent: Some(113),
        total_time: Some(7),
        acl_required: true,
        ..example()
    };
    let expected = format!(
        "{} - \"GET /amzn-s3-demo-bucket1?versioning HTTP/1.1\" 200 - 113 - 7 - \"-\" \
         \"S3Console/0.4\" - {REST} Yes\n",
        head("REST.GET.VERSIONING")
    );
    assert_eq!(written(&versioning), expected);
    let policy = Record {
        operation: "REST.GET.BUCKETPOLICY",
        line: line("GET", "/amzn-s3-demo-bucket1?policy"),
        status: Some(404),
        error: Some("NoSuchBucketPolicy"),
        bytes_sent: Some(297),
        total_time: Some(38),
        ..example()
    };
    let expected = format!(
        "{} - \"GET /amzn-s3-demo-bucket1?policy HTTP/1.1\" 404 NoSuchBucketPolicy 297 - 38 - \
         \"-\" \"S3Console/0.4\" - {REST} -\n",
        head("REST.GET.BUCKETPOLICY")
    );
    assert_eq!(written(&policy), expected);
    let put = Record {
        operation: "REST.PUT.OBJECT",
        key: Some("s3-dg.pdf"),
        line: line("PUT", "/amzn-s3-demo-bucket1/s3-dg.pdf"),
        bytes_sent: Some(0),
        object_size: Some(4_406_583),
        total_time: Some(41_754),
        turn_around_time: Some(28),
        ..example()
    };
    let expected = format!(
        "{} s3-dg.pdf \"PUT /amzn-s3-demo-bucket1/s3-dg.pdf HTTP/1.1\" 200 - - 4406583 41754 28 \
         \"-\" \"S3Console/0.4\" - {REST} -\n",
        head("REST.PUT.OBJECT")
    );
    assert_eq!(written(&put), expected);
}

#[test]
fn what_is_not_there_is_a_dash() {
    let host_id = "east";
    let none = Record { operation: "BATCH.DELETE.OBJECT", host_id, ..Record::default() };
    let expected = "- - [01/Jan/1970:00:00:00 +0000] - - 0000000000000000 BATCH.DELETE.OBJECT - - \
                    - - - - - - - - - east - - - - - - -\n";
    assert_eq!(written(&none), expected);
    assert_eq!(fields(expected).len(), 26);
}

#[test]
fn nobody_forges_a_record_or_a_field() {
    let forged = Record {
        user_agent: Some(b"a\" - - -\r\nroot photos \\\" \xff"),
        referer: Some(b"http://page/a b"),
        ..example()
    };
    let found = fields(&written(&forged));
    assert_eq!(found[15], "\"http://page/a%20b\"");
    assert_eq!(found[16], "\"a%22 - - -%0D%0Aroot photos %5C%22 %FF\"");
}

#[test]
fn a_signature_in_a_url_is_not_shown() {
    let shown = |target| line("GET", target).unwrap().text();
    let signed = "/photos/a?X-Amz-Date=1&X-Amz-Signature=abc&x-amz-security-token=def&versionId=2";
    let expected = "GET /photos/a?X-Amz-Date=1&X-Amz-Signature=-&X-Amz-Security-Token=-&versionId=2 \
                    HTTP/1.1";
    assert_eq!(shown(signed), expected);
    assert_eq!(
        shown("/photos/a?AWSAccessKeyId=K&Signature=abc%3D"),
        "GET /photos/a?AWSAccessKeyId=K&Signature=- HTTP/1.1"
    );
    assert_eq!(shown("/photos/Signature=a"), "GET /photos/Signature=a HTTP/1.1");
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_one_line_with_all_its_fields(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        text: String,
        some: bool,
    ) {
        let record = Record {
            bucket: Some(&text),
            requester: Some(&text),
            key: Some(&text),
            line: some.then_some(Line { method: &text, target: &text, protocol: "HTTP/2" }),
            error: Some(&text),
            referer: Some(&bytes),
            user_agent: Some(&bytes),
            version: Some(&text),
            host: Some(&bytes),
            ..example()
        };
        let line = written(&record);
        prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
        prop_assert_eq!(fields(&line).len(), 26);
    }
}
