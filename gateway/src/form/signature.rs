//! Who signed a form: its policy is signed, by version 4 or 2, with a key that the form names.

use base64_simd::STANDARD;
use hmac::{Hmac, Mac};
use s3s::{S3Error, S3Result, s3_error};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::fields::Fields;

/// The only algorithm of version 4 with a shared secret.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Bytes of a day, as in `20260707T215304Z`.
const DAY_BYTES: usize = 8;

/// A signature and what it is of.
pub(super) struct Signed<'f> {
    policy: &'f str,
    signature: &'f str,
    by: By<'f>,
}

enum By<'f> {
    Version4 { access_key: &'f str, date: &'f str, region: &'f str, service: &'f str },
    Version2 { access_key: &'f str },
}

impl<'f> Signed<'f> {
    /// The signature of a form; `None` if nobody signed it.
    pub(super) fn read(fields: &'f Fields) -> S3Result<Option<Self>> {
        let Some(policy) = fields.get("policy") else {
            let signed = ["x-amz-signature", "signature"].iter().any(|f| fields.get(f).is_some());
            return if signed { fields.required("policy").map(|_| None) } else { Ok(None) };
        };
        if fields.get("x-amz-signature").is_none() && fields.get("x-amz-credential").is_none() {
            let access_key = fields.required("awsaccesskeyid")?;
            let signature = fields.required("signature")?;
            return Ok(Some(Self { policy, signature, by: By::Version2 { access_key } }));
        }
        let signature = fields.required("x-amz-signature")?;
        if fields.required("x-amz-algorithm")? != ALGORITHM {
            return Err(s3_error!(InvalidArgument, "X-Amz-Algorithm must be {ALGORITHM}"));
        }
        let scope = fields.required("x-amz-credential")?;
        let by = credential(scope).ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "X-Amz-Credential must be <access key>/<date>/<region>/s3/aws4_request"
            )
        })?;
        let signed_at = fields.required("x-amz-date")?;
        if matches!(by, By::Version4 { date, .. } if signed_at.get(..DAY_BYTES) != Some(date)) {
            return Err(s3_error!(
                InvalidArgument,
                "X-Amz-Date must be of the day that X-Amz-Credential names"
            ));
        }
        Ok(Some(Self { policy, signature, by }))
    }

    pub(super) fn access_key(&self) -> &'f str {
        match self.by {
            By::Version4 { access_key, .. } | By::Version2 { access_key } => access_key,
        }
    }

    /// Compares the signature with that of the holder of the secret.
    pub(super) fn verify(&self, secret: &str) -> S3Result<()> {
        let policy = self.policy.as_bytes();
        let right = match self.by {
            By::Version4 { date, region, service, .. } => {
                let mut key = sha256(format!("AWS4{secret}").as_bytes(), date.as_bytes());
                for part in [region, service, "aws4_request"] {
                    key = sha256(&key, part.as_bytes());
                }
                hex::encode(sha256(&key, policy))
            }
            By::Version2 { .. } => {
                let mac = keyed::<Hmac<Sha1>>(secret.as_bytes()).chain_update(policy);
                STANDARD.encode_to_string(mac.finalize().into_bytes())
            }
        };
        let same = right.as_bytes().ct_eq(self.signature.as_bytes());
        if bool::from(same) {
            Ok(())
        } else {
            Err(S3Error::new(s3s::S3ErrorCode::SignatureDoesNotMatch))
        }
    }
}

/// What stands behind the last four slashes; an access key may have slashes of its own.
fn credential(scope: &str) -> Option<By<'_>> {
    let scope = scope.strip_suffix("/aws4_request")?;
    let mut parts = scope.rsplitn(4, '/');
    let (service, region, date) = (parts.next()?, parts.next()?, parts.next()?);
    let access_key = parts.next()?;
    (service == "s3").then_some(By::Version4 { access_key, date, region, service })
}

fn sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    keyed::<Hmac<Sha256>>(key).chain_update(text).finalize().into_bytes().to_vec()
}

fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8]) -> M {
    <M as Mac>::new_from_slice(key).expect("a key of HMAC may have any length")
}

#[cfg(test)]
mod tests;
