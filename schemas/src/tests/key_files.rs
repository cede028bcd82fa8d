use std::error::Error;

use super::samples::{KEY_FILE, changes, codec, event, keys};
use crate::{Codec, CodecError, Keys};

fn refused(text: &str) -> String {
    Keys::parse(text, "class.key").unwrap_err().to_string()
}

fn other(text: &str) -> Codec {
    Codec::new(Keys::parse(text, "test").unwrap())
}

#[test]
fn a_key_file_is_checked_line_by_line_and_its_keys_are_never_shown() {
    let digits = "ab".repeat(32);
    let long = "k".repeat(65);
    for (text, says) in [
        ("# none\n\n", "`class.key` holds no key".to_owned()),
        ("# first\nmain:zz", "`class.key`, line 2: expected".to_owned()),
        (&format!("main:{}", &digits[2..]), "line 1: expected".to_owned()),
        (&format!("main:{digits}00"), "line 1: expected".to_owned()),
        (&digits, "line 1: expected".to_owned()),
        (&format!(":{digits}"), "line 1: expected".to_owned()),
        (&format!("a b:{digits}"), "line 1: expected".to_owned()),
        (&format!("{long}:{digits}"), "line 1: expected".to_owned()),
        (
            &format!("a:{digits}\n\n a : {digits} # again"),
            "line 3: key `a` stands on an earlier line".to_owned(),
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(&says), "{error}");
        assert!(!error.contains("abab") && !error.contains('\n'), "{error}");
    }
    assert_eq!(format!("{:?}", keys()), "Keys([\"main\"])");
    assert_eq!(format!("{:?}", codec()), "Codec(Keys([\"main\"]))");
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("class.key");
    let error = Keys::load(&path).unwrap_err();
    assert!(error.to_string().contains("class.key`"));
    assert!(error.source().is_some());

    std::fs::write(&path, format!("# classes\n{KEY_FILE} # default\n")).unwrap();
    let sealed = codec().seal(&event(changes().remove(0).1)).unwrap();
    let loaded = Codec::new(Keys::load(&path).unwrap());
    assert!(loaded.open(&sealed.payload).is_ok());
}

#[test]
fn the_first_key_seals_and_every_key_opens() {
    let event = event(changes().remove(0).1);
    let rotated = other(&format!("next:{}\n{KEY_FILE}", "ab".repeat(32)));
    let before = codec().seal(&event).unwrap().payload;
    let after = rotated.seal(&event).unwrap().payload;
    assert_eq!(rotated.envelope(&before).unwrap().key_id, "main");
    assert_eq!(rotated.envelope(&after).unwrap().key_id, "next");
    assert_eq!(rotated.open(&before).unwrap(), event);
    assert_eq!(rotated.open(&after).unwrap(), event);
}

#[test]
fn a_missing_key_and_a_wrong_key_are_told_apart_and_leave_the_envelope_readable() {
    let sealed = codec().seal(&event(changes().remove(0).1)).unwrap();
    let (missing, wrong) = ("ab".repeat(32), "cd".repeat(32));
    let missing = other(&format!("else:{missing}"));
    let error = missing.open(&sealed.payload).unwrap_err();
    assert!(matches!(&error, CodecError::NoKey { key_id } if key_id == "main"));
    assert!(error.is_curable());

    let wrong = other(&format!("main:{wrong}"));
    let error = wrong.open(&sealed.payload).unwrap_err();
    assert!(matches!(&error, CodecError::Sealed { key_id } if key_id == "main"));
    assert!(!error.is_curable());

    let envelope = missing.envelope(&sealed.payload).unwrap();
    assert_eq!(envelope.position, sealed.position);
}

#[test]
fn a_secret_opens_only_under_its_own_key_pair_and_class_key() {
    let codec = codec();
    let sealed = codec.seal_secret("AK", "very secret");
    assert_eq!(codec.open_secret("AK", &sealed).unwrap(), "very secret");
    assert!(!format!("{sealed:?}").contains("very secret"));
    assert_ne!(sealed, codec.seal_secret("AK", "very secret"), "a nonce of its own each time");
    let other_pair = codec.open_secret("AL", &sealed).unwrap_err();
    assert!(matches!(other_pair, CodecError::Sealed { .. }));
    let elsewhere = Keys::parse(&format!("other:{}", "22".repeat(32)), "test").unwrap();
    let no_key = Codec::new(elsewhere).open_secret("AK", &sealed).unwrap_err();
    assert!(matches!(no_key, CodecError::NoKey { .. }));
}

#[test]
fn sites_tell_whether_they_have_a_key_in_common_without_telling_it() {
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let codec = other(&format!("main:{one}\nold:{two}"));
    let [main, old] = codec.fingerprints() else { panic!("one for each key") };
    assert_eq!(other(&format!("main:{one}")).fingerprints(), [*main]);
    assert_ne!(main, old);
    assert_ne!(other(&format!("main:{two}")).fingerprints(), [*main], "another key of that name");
    assert_ne!(other(&format!("other:{one}")).fingerprints(), [*main], "another name");
}
