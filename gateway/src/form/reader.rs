//! Reads `multipart/form-data` (RFC 7578) as it arrives: the fields whole, the file as a stream.
//!
//! What comes before the file is bounded, as at S3, and so is how long it may take: until then
//! nobody knows who is sending it.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use memchr::memmem;
use s3s::{Body, S3Result, s3_error};

use super::{fields::Fields, file::File};
use crate::errors;

/// Bytes in front of the file; the limit of S3.
pub(super) const FIELDS_BYTES_MAX: usize = 20_000;

/// Bytes of a boundary; the limit of RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;

/// How long all in front of the file may take: a minute for 20,000 bytes.
const FIELDS_TIME_MAX: Duration = Duration::from_secs(60);

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let boundary = parameter(content_type, "boundary")?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// A parameter of a header: `name=value` or `name="value"` behind a semicolon.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = header.split_once(';')?;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let (value, next) = value(behind.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

/// A value, and what stands behind it. In quotes a backslash stands for the quote behind it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                value.extend(letters.next().map(|(_, letter)| letter));
            }
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// Name of a part, and of its file, out of its header lines.
fn names(head: &str) -> Option<(String, Option<String>)> {
    let named = |line: &'_ str| -> Option<String> {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.to_owned())
    };
    let disposition = head.split("\r\n").find_map(named)?;
    Some((parameter(&disposition, "name")?, parameter(&disposition, "filename")))
}

/// A form that is being read.
pub(super) struct Reader {
    body: Body,
    buffer: BytesMut,
    /// What stands between two parts.
    between: Vec<u8>,
    /// Bytes that may still come in front of the file.
    left: usize,
}

impl Reader {
    pub(super) fn new(body: Body, boundary: &str) -> Self {
        // The first boundary stands at the beginning: as if a line had ended before it.
        let (buffer, between) = (BytesMut::from("\r\n"), format!("\r\n--{boundary}").into_bytes());
        Self { body, buffer, between, left: FIELDS_BYTES_MAX }
    }

    /// The fields, and the file behind them. What comes behind the file counts for nothing.
    pub(super) async fn form(self) -> S3Result<(Fields, File)> {
        let read = tokio::time::timeout(FIELDS_TIME_MAX, self.read()).await;
        read.map_err(|_| s3_error!(RequestTimeout, "The form did not come in time"))?
    }

    async fn read(mut self) -> S3Result<(Fields, File)> {
        let mut fields = Vec::new();
        let between = self.between.clone();
        self.until(&between).await?;
        loop {
            if !self.until(b"\r\n").await?.trim_ascii().is_empty() {
                // Two dashes: the form ends without a file.
                return Err(file_missing());
            }
            let head = self.until(b"\r\n\r\n").await?;
            if memmem::find(&head, &between).is_some() {
                // A part without a head: what was found is that of the next.
                return Err(errors::malformed_form());
            }
            let head = std::str::from_utf8(&head).map_err(|_| errors::malformed_form())?;
            let (name, filename) = names(head).ok_or_else(errors::malformed_form)?;
            if name.eq_ignore_ascii_case("file") {
                let Self { body, buffer, between, .. } = self;
                let fields = Fields::new(fields, filename.as_deref()).each_once()?;
                return Ok((fields, File::new(body, buffer, between)));
            }
            let value = self.until(&between).await?;
            let value = String::from_utf8(value.to_vec()).map_err(|_| errors::malformed_form())?;
            fields.push((name, value));
        }
    }

    /// What comes up to a mark, which is taken as well.
    async fn until(&mut self, mark: &[u8]) -> S3Result<Bytes> {
        let mut searched = 0_usize;
        loop {
            let from = searched.saturating_sub(mark.len());
            if let Some(at) = self.buffer.get(from..).and_then(|part| memmem::find(part, mark)) {
                let found = self.buffer.split_to(from + at).freeze();
                self.buffer.advance(mark.len());
                let left = self.left.checked_sub(found.len() + mark.len());
                self.left = left.ok_or_else(too_long)?;
                return Ok(found);
            }
            searched = self.buffer.len();
            if searched > self.left {
                return Err(too_long());
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(s3_error!(IncompleteBody, "The form broke off")),
                None => return Err(errors::malformed_form()),
            }
        }
    }
}

fn too_long() -> s3s::S3Error {
    s3_error!(
        MaxPostPreDataLengthExceededError,
        "Your POST request fields preceding the upload file were too large."
    )
}

fn file_missing() -> s3s::S3Error {
    s3_error!(
        IncorrectNumberOfFilesInPostRequest,
        "POST requires exactly one file upload per request."
    )
}

#[cfg(test)]
mod tests;
