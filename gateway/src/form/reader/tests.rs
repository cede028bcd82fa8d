use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use proptest::prelude::*;
use s3s::{
    StdError,
    stream::{ByteStream, DynByteStream},
};

use super::*;

/// A body of these pieces.
struct Pieces<S>(S);

impl<S: Stream<Item = Result<Bytes, StdError>> + Unpin> Stream for Pieces<S> {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl<S: Stream<Item = Result<Bytes, StdError>> + Unpin> ByteStream for Pieces<S> {}

fn of<S>(pieces: S) -> Body
where
    S: Stream<Item = Result<Bytes, StdError>> + Unpin + Send + Sync + 'static,
{
    let stream: DynByteStream = Box::pin(Pieces(pieces));
    Body::from(stream)
}

fn body(bytes: &[u8], piece: usize) -> Body {
    let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    of(stream::iter(pieces).map(Ok))
}

/// Fields and file of a form that comes in pieces of this size; else the code of the error, or
/// `broken` if the file ends early.
fn read(bytes: &[u8], piece: usize) -> Result<(Fields, Vec<u8>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let form = Reader::new(body(bytes, piece), "x").form().await;
        let (fields, mut file) = form.map_err(|error| error.code().as_str().to_owned())?;
        let mut whole = Vec::new();
        while let Some(piece) = file.next().await {
            whole.extend_from_slice(&piece.map_err(|_| "broken".to_owned())?);
        }
        Ok((fields, whole))
    })
}

fn form(fields: &[(&str, &str)], file: &[u8], behind: &str) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        form.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
    }
    let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a.txt\"\
                \r\nContent-Type: text/plain\r\n\r\n";
    [&form, head.as_bytes(), file, b"\r\n--x", behind.as_bytes()].concat()
}

#[test]
fn a_form_is_the_same_however_it_comes() {
    let sent =
        [("key", "up/${filename}"), ("Content-Type", "text/plain"), ("policy", "${filename}")];
    let file = b"one\r\n--\r\n--y\r\n\r\nlast\r\n";
    let bytes = form(&sent, file, "--\r\n");
    for piece in 1..bytes.len() {
        let (fields, whole) = read(&bytes, piece).expect("a form");
        assert_eq!(whole, file, "in pieces of {piece}");
        assert_eq!(fields.get("key"), Some("up/a.txt"));
        assert_eq!(fields.get("content-type"), Some("text/plain"));
        assert_eq!(fields.get("policy"), Some("${filename}"), "it is signed as it is");
    }
    assert!(read(&form(&[], b"", "--"), 7).expect("a form").1.is_empty(), "a file of no bytes");
    let behind = "\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--x--\r\n";
    assert_eq!(read(&form(&[], b"1", behind), 7).expect("a form").1, b"1", "fields behind it");
}

#[test]
fn what_is_no_form_is_refused() {
    let code = |bytes: &[u8]| read(bytes, 5).map(|_| ()).expect_err("no form");
    assert_eq!(code(b""), "MalformedPOSTRequest");
    assert_eq!(code(b"--x\r\n\r\nvalue\r\n--x--"), "MalformedPOSTRequest");
    assert_eq!(code(b"--x\r\nContent-Type: a\r\n\r\nvalue\r\n--x--\r\n"), "MalformedPOSTRequest");
    let headless = [b"--x\r\n\r\nvalue\r\n", &form(&[("key", "a")], b"1", "--")[..]].concat();
    assert_eq!(code(&headless), "MalformedPOSTRequest");
    let twice = form(&[("key", "a"), ("Key", "b")], b"1", "--");
    assert_eq!(code(&twice), "InvalidArgument");
    let ignored = form(&[("key", "a"), ("x-ignore-a", "1"), ("x-ignore-a", "2")], b"1", "--");
    assert!(read(&ignored, 5).is_ok());
    let no_file = b"--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n--x--\r\n";
    assert_eq!(code(no_file), "IncorrectNumberOfFilesInPostRequest");
    let long = form(&[("key", &"k".repeat(FIELDS_BYTES_MAX))], b"1", "--");
    assert_eq!(code(&long), "MaxPostPreDataLengthExceededError");
    assert_eq!(code(&[b'-'; 2 * FIELDS_BYTES_MAX]), "MaxPostPreDataLengthExceededError");
    assert_eq!(code(&form(&[("key", "a")], b"1", "--")[..100]), "MalformedPOSTRequest");
    let whole = form(&[], b"the file", "--");
    assert_eq!(code(&whole[..whole.len() - 5]), "broken", "the file has no end");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_breaks_off_or_takes_too_long_is_refused() {
    let code = async |body: Body| {
        let refused = Reader::new(body, "x").form().await.map(|_| ()).expect_err("no form");
        refused.code().as_str().to_owned()
    };
    assert_eq!(code(of(stream::iter([Err("gone".into())]))).await, "IncompleteBody");
    assert_eq!(code(of(stream::pending())).await, "RequestTimeout");
    // A byte from time to time does not keep the connection.
    let slow = stream::unfold((), |()| async {
        tokio::time::sleep(FIELDS_TIME_MAX / 3).await;
        Some((Ok(Bytes::from_static(b"-")), ()))
    });
    assert_eq!(code(of(Box::pin(slow))).await, "RequestTimeout");
}

#[test]
fn parameters_stand_in_quotes_or_not() {
    assert_eq!(boundary("multipart/form-data; boundary=a-b").as_deref(), Some("a-b"));
    let quoted = "multipart/form-data; charset=utf-8; boundary=\"a;b\"";
    assert_eq!(boundary(quoted).as_deref(), Some("a;b"));
    for none in ["multipart/form-data", "multipart/form-data; boundary=", "; boundary=\"\""] {
        assert_eq!(boundary(none), None, "{none}");
    }
    assert_eq!(boundary(&format!("a; boundary={}", "b".repeat(71))), None);
    let head = "content-disposition: form-data; name=\"a\\\"b\"; filename=c\r\nX: y";
    assert_eq!(names(head), Some(("a\"b".to_owned(), Some("c".to_owned()))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_form_or_are_refused(bytes: Vec<u8>, piece in 1..40_usize) {
        let _ = read(&bytes, piece);
        let _ = read(&[b"--x\r\nContent-Disposition:", &bytes[..]].concat(), piece);
    }

    #[test]
    fn what_a_form_is_does_not_depend_on_how_it_comes(
        tokens in proptest::collection::vec(prop_oneof![
            Just("--x"), Just("\r\n"), Just("\r\n\r\n"), Just("--"), Just("\r"), Just("x"), Just("\n"),
            Just("Content-Disposition: form-data; name=\"a\""),
            Just("Content-Disposition: form-data; name=\"file\"; filename=\"b\""),
            Just("\r\n--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"),
        ], 0..14),
        piece in 1..40_usize,
    ) {
        let bytes = tokens.concat();
        prop_assert_eq!(read(bytes.as_bytes(), piece), read(bytes.as_bytes(), 1_000));
    }

    #[test]
    fn any_file_arrives_as_it_is(
        file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'x'), any::<u8>()], 0..300),
        piece in 1..40_usize,
    ) {
        prop_assume!(memmem::find(&file, b"\r\n--x").is_none());
        let bytes = form(&[("key", "a")], &file, "--\r\n");
        prop_assert_eq!(read(&bytes, piece).expect("a form").1, file);
    }

    #[test]
    fn any_header_has_parameters_or_not(header: String) {
        let _ = boundary(&header);
        let _ = names(&header);
        let _ = parameter(&format!("a; name=\"{header}"), "name");
    }
}
