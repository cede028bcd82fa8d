//! How long a presigned URL holds: at most a week, and not less than no time.
//!
//! s3s takes any length, so that a link could be made that never ends.

use http::Uri;
use s3s::{S3Result, s3_error};

use crate::query::parameters;

/// The limit of S3.
const SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// Refuses a link that says that it holds for longer, or that it ended before it was made.
pub(crate) fn check(uri: &Uri) -> S3Result<()> {
    let mut lengths = parameters(uri).filter(|one| one.name() == "X-Amz-Expires");
    let fits = |text: &str| text.parse().is_ok_and(|seconds: u64| seconds <= SECONDS_MAX);
    if lengths.all(|length| fits(&length.value())) {
        return Ok(());
    }
    Err(s3_error!(
        AuthorizationQueryParametersError,
        "X-Amz-Expires must be a number of seconds, and at most a week: {SECONDS_MAX}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_for_a_week_at_most() {
        let check = |query: &str| check(&format!("/a?{query}").parse().expect("a URI")).is_ok();
        for fine in ["", "x", "X-Amz-Expires=0", "a=b&X-Amz-Expires=604800&c", "x-amz-expires=a"] {
            assert!(check(fine), "{fine}");
        }
        for wrong in [
            "X-Amz-Expires=604801",
            "X-Amz-Expires=-1",
            "X-Amz-Expires=",
            "X-Amz-Expires=a",
            "X%2DAmz-Expires=604801",
            "X-Amz-Expires=1&X-Amz-Expires=604801",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
