//! One record, in the format of S3's server access logs: 26 fields, a space between each two. Pure.
//!
//! What a client has sent stands in it so that nobody can forge a record, or a field of one: quotes,
//! backslashes, control characters and what is not ASCII are percent-encoded.

use std::{io::Write, net::IpAddr};

use model::{Millis, RequestId};
use time::OffsetDateTime;

/// What a field without a value has in it.
const NONE: &[u8] = b"-";

/// Parameters of a URL that would let whoever reads the log ask the same again.
const SECRETS: [&str; 3] = ["X-Amz-Signature=", "X-Amz-Security-Token=", "Signature="];

/// The fields, in their order.
#[derive(Clone, Default)]
pub(super) struct Record<'a> {
    pub(super) bucket_owner: Option<&'a str>,
    pub(super) bucket: Option<&'a str>,
    /// When the request was received.
    pub(super) time: Millis,
    pub(super) remote_ip: Option<IpAddr>,
    pub(super) requester: Option<&'a str>,
    pub(super) request: RequestId,
    pub(super) operation: &'a str,
    /// URL-encoded.
    pub(super) key: Option<&'a str>,
    pub(super) line: Option<Line<'a>>,
    /// `None`: the client went away before it was answered.
    pub(super) status: Option<u16>,
    pub(super) error: Option<&'a str>,
    pub(super) bytes_sent: Option<u64>,
    pub(super) object_size: Option<u64>,
    /// In milliseconds.
    pub(super) total_time: Option<u64>,
    pub(super) turn_around_time: Option<u64>,
    pub(super) referer: Option<&'a [u8]>,
    pub(super) user_agent: Option<&'a [u8]>,
    /// That the request names.
    pub(super) version: Option<&'a str>,
    pub(super) host_id: &'a str,
    pub(super) signature: Option<&'static str>,
    pub(super) cipher_suite: Option<&'static str>,
    pub(super) authentication: Option<&'static str>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) tls: Option<&'static str>,
    pub(super) acl_required: bool,
}

/// The first line of a request.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) protocol: &'static str,
}

impl Record<'_> {
    /// Writes it behind what is there already, and the end of its line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        text(out, self.bucket_owner);
        text(out, self.bucket);
        time(out, self.time);
        text(out, self.remote_ip.map(|ip| ip.to_canonical().to_string()).as_deref());
        text(out, self.requester);
        text(out, Some(&self.request.to_string()));
        text(out, Some(self.operation));
        text(out, self.key);
        let line = self.line.map(|line| line.text());
        quoted(out, line.as_deref().map(str::as_bytes), b' ');
        number(out, self.status.map(u64::from));
        text(out, self.error);
        number(out, self.bytes_sent.filter(|bytes| *bytes > 0));
        number(out, self.object_size);
        number(out, self.total_time);
        number(out, self.turn_around_time);
        // Of a page's address a space is no part, and who splits a record at spaces finds it whole.
        quoted(out, self.referer, NONE[0]);
        quoted(out, self.user_agent, b' ');
        text(out, self.version);
        text(out, Some(self.host_id));
        text(out, self.signature);
        text(out, self.cipher_suite);
        text(out, self.authentication);
        field(out, self.host);
        text(out, self.tls);
        // There are no access points.
        field(out, None);
        text(out, self.acl_required.then_some("Yes"));
        if let Some(last) = out.last_mut() {
            *last = b'\n';
        }
    }
}

impl Line<'_> {
    fn text(&self) -> String {
        let Self { method, target, protocol } = self;
        format!("{method} {} {protocol}", without_secrets(target))
    }
}

/// A target of which nobody learns how it was signed.
fn without_secrets(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let shown = query.split('&').map(|pair| {
        let secret = SECRETS.iter().find(|name| {
            pair.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        });
        secret.map_or_else(|| pair.to_owned(), |name| format!("{name}-"))
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

fn text(out: &mut Vec<u8>, value: Option<&str>) {
    field(out, value.map(str::as_bytes));
}

fn number(out: &mut Vec<u8>, value: Option<u64>) {
    text(out, value.map(|value| value.to_string()).as_deref());
}

fn time(out: &mut Vec<u8>, at: Millis) {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = at.month().to_string();
    let written = write!(
        out,
        "[{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000] ",
        at.day(),
        &month[..3],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    );
    written.expect("memory takes what is written");
}

/// A field without quotes, and the space behind it.
fn field(out: &mut Vec<u8>, value: Option<&[u8]>) {
    encode(out, value.filter(|value| !value.is_empty()).unwrap_or(NONE), NONE[0]);
    out.push(b' ');
}

/// A field in quotes, in which one character more stands as it is; without them, if there is none.
fn quoted(out: &mut Vec<u8>, value: Option<&[u8]>, also: u8) {
    let Some(value) = value else {
        field(out, None);
        return;
    };
    out.push(b'"');
    encode(out, value, also);
    out.extend(b"\" ");
}

fn encode(out: &mut Vec<u8>, value: &[u8], also: u8) {
    let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
    for &byte in value {
        if byte == also || byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\') {
            out.push(byte);
        } else {
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
