use proptest::prelude::*;

use super::*;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fields::new(pairs.iter().map(owned).collect(), None)
}

fn outcome(pairs: &[(&str, &str)], secret: &str) -> Result<Option<String>, String> {
    let fields = fields(pairs);
    let code = |error: S3Error| error.code().as_str().to_owned();
    let Some(signed) = Signed::read(&fields).map_err(code)? else {
        return Ok(None);
    };
    signed.verify(secret).map_err(code)?;
    Ok(Some(signed.access_key().to_owned()))
}

/// Both computed by another implementation, Python's `hmac`, with the keys that S3's documentation
/// has in its examples.
const VERSION_4: [(&str, &str); 5] = [
    ("policy", "e30="),
    ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
    ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
    ("x-amz-date", "20151229T000000Z"),
    ("x-amz-signature", "41b0bda71d74c76f0557dcc39c95a626695e622348e2fbf7b9f2df51152bb3f8"),
];
const VERSION_2: [(&str, &str); 3] = [
    ("policy", "e30="),
    ("awsaccesskeyid", "AKIAIOSFODNN7EXAMPLE"),
    ("signature", "4QWH4O9CWtowYUW+X4P2gZ/6fNc="),
];
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn a_form_is_signed_by_either_version() {
    let by = Ok(Some("AKIAIOSFODNN7EXAMPLE".to_owned()));
    assert_eq!(outcome(&VERSION_4, SECRET), by);
    assert_eq!(outcome(&VERSION_2, SECRET), by);
    for signed in [&VERSION_4[..], &VERSION_2[..]] {
        assert_eq!(outcome(signed, "other"), Err("SignatureDoesNotMatch".to_owned()));
    }
    assert_eq!(outcome(&[("key", "a")], SECRET), Ok(None), "nobody signed it");
}

#[test]
fn half_a_signature_is_none() {
    let invalid = Err("InvalidArgument".to_owned());
    for (without, field) in VERSION_4.iter().enumerate() {
        let mut pairs = VERSION_4.to_vec();
        pairs.remove(without);
        assert_eq!(outcome(&pairs, SECRET), invalid, "{field:?}");
    }
    for (without, field) in VERSION_2.iter().enumerate() {
        let mut pairs = VERSION_2.to_vec();
        pairs.remove(without);
        assert_eq!(outcome(&pairs, SECRET), invalid, "{field:?}");
    }
    for scope in ["A/20151229/us-east-1/sts/aws4_request", "A/us-east-1/s3/aws4_request", "A"] {
        let mut pairs = VERSION_4;
        pairs[2].1 = scope;
        assert_eq!(outcome(&pairs, SECRET), invalid, "{scope}");
    }
    for date in ["20151230T000000Z", "2015", ""] {
        let mut pairs = VERSION_4;
        pairs[3].1 = date;
        assert_eq!(outcome(&pairs, SECRET), invalid, "{date}");
    }
}

proptest! {
    #[test]
    fn any_scope_is_taken_apart_or_refused(scope: String) {
        let _ = credential(&scope);
        let _ = credential(&format!("{scope}/aws4_request"));
    }
}
