use super::*;
use bytes::Bytes;

fn event() -> SealedEvent {
    let site = SiteId([0xa5; 16]);
    SealedEvent {
        position: Position {
            site,
            epoch: Epoch(1_700_000_000_000),
            partition: Partition(7),
            seq: Seq(u64::MAX),
        },
        version: Version { hlc: Hlc(0xfedc_ba98_7654_3210), site },
        entity: EntityHash(Digest([9; 32])),
        payload: Bytes::from_static(b"payload"),
    }
}

#[test]
fn an_event_is_named_by_its_headers_alone() {
    let event = event();
    let read = read(Some(&of_event(&event, "abc")), Partition(7));
    let expected =
        Label::Event { position: event.position, version: event.version, entity: event.entity };
    assert_eq!(read, Ok(expected));
}

#[test]
fn a_heartbeat_names_the_end_of_its_partition_where_it_is_known() {
    let last = (event().position, event().digest());
    let known = read(Some(&of_heartbeat(Some(last), "abc")), Partition(7));
    assert_eq!(known, Ok(Label::Heartbeat(Some(last))));
    let unknown = read(Some(&of_heartbeat(None, "abc")), Partition(7));
    assert_eq!(unknown, Ok(Label::Heartbeat(None)));
}

#[test]
fn headers_of_later_releases_are_passed_over() {
    let headers = with(of_event(&event(), "abc"), "later", "fact");
    assert!(read(Some(&headers), Partition(7)).is_ok());
}

#[test]
fn what_is_not_ours_says_why() {
    let good = || of_event(&event(), "abc");
    let why = |headers: OwnedHeaders| read(Some(&headers), Partition(7)).expect_err("not ours");
    let kind = |kind: &str| with(OwnedHeaders::new(), KIND, kind);
    assert_eq!(read(None::<&OwnedHeaders>, Partition(7)), Err("it has no headers".to_owned()));
    assert_eq!(
        read(Some(&good()), Partition(6)),
        Err("it says partition 7 and stands in 6".to_owned())
    );
    assert_eq!(why(OwnedHeaders::new()), "it has no header `towline`");
    assert_eq!(why(kind("event/2")), "`event/2` is no kind of record known here");
    assert_eq!(why(kind(EVENT)), "it has no header `position`");
    for bad in ["", "a5/1/7/1", "x/1/7/1", &"/".repeat(9)] {
        let headers = with(kind(EVENT), POSITION, bad);
        assert_eq!(why(headers), "its `position` is malformed", "{bad}");
    }
    let positioned = |kind_| with(kind(kind_), POSITION, &position_text(event().position));
    assert_eq!(why(with(positioned(HEARTBEAT), DIGEST, "00")), "its `digest` is malformed");
    let versioned = with(positioned(EVENT), VERSION, "é");
    assert_eq!(why(versioned), "its `version` is malformed");
    let entity = with(positioned(EVENT), VERSION, &event().version.to_string());
    assert_eq!(why(with(entity, ENTITY, "00")), "its `entity` is malformed");
    let bytes = OwnedHeaders::new().insert(Header { key: KIND, value: Some(&[0xffu8][..]) });
    assert_eq!(why(bytes), "its `towline` is no text");
    let many = (0..=HEADERS_MAX).fold(OwnedHeaders::new(), |all, _| with(all, "x", "y"));
    assert_eq!(why(many), "it has 33 headers");
}
