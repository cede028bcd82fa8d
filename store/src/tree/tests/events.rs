//! Events of few keys, so that they meet.

use super::*;

pub(super) fn name(key: u16) -> String {
    format!("k{key}")
}

pub(super) fn version(n: u8) -> Version {
    Version { hlc: Hlc(n.into()), site: SiteId([9; 16]) }
}

/// An event of another site. What it says follows from its version and whom it speaks of.
pub(super) fn event(n: u8, change: Change) -> Event {
    let line = Line { site: SiteId([9; 16]), epoch: Epoch(1), partition: Partition(0) };
    let (position, version) = (line.at(Seq(n.into())), version(n));
    Event { position, version, prev: Digest::ZERO, volume: 0, request: RequestId::NONE, change }
}

pub(super) fn object(n: u8, of: u16) -> Event {
    let (bucket, key, birth) = (bucket(), key(&name(of)), version(0));
    if n.is_multiple_of(5) {
        return event(n, Change::ObjectDeleted { bucket, key, birth });
    }
    // Of one version here and there, whatever comes first.
    if n % 4 == 3 {
        return event(n, Change::VersionRemoved { bucket, key, of: version(n - 1), birth });
    }
    let slot = if n % 4 == 2 { Slot::Own(version(n)) } else { Slot::Null };
    if n.is_multiple_of(7) {
        return event(n, Change::MarkerPut { bucket, key, slot, birth });
    }
    let manifest = Box::new(Manifest {
        size: 1,
        etag: ETag(n.to_string()),
        headers: BTreeMap::new(),
        metadata: BTreeMap::new(),
        checksums: BTreeMap::new(),
        parts: Parts::Whole,
        content: Content::Inline(Bytes::from(vec![n])),
        encryption: None,
    });
    event(n, Change::ObjectPut { bucket, key, slot, birth, manifest })
}

pub(super) fn attributes(n: u8, of: u16, register: u8) -> Event {
    let register = Register { version: version(register), value: Bytes::from(vec![register]) };
    let attributes = Attributes(BTreeMap::from([("tags".to_owned(), register)]));
    let (bucket, key, of) = (bucket(), key(&name(of)), version(n));
    event(n, Change::Attributes { bucket, key, of, attributes })
}

/// Of one of the few buckets that [`entity`] makes, which may be over, or not there yet.
pub(super) fn bucket_attributes(n: u8, of: u8, birth: u8) -> Event {
    let register =
        Register { version: version(n), value: Bytes::from(vec![n; usize::from(n % 3)]) };
    let attributes = Attributes(BTreeMap::from([((n % 2).to_string(), register)]));
    let bucket = BucketName::try_from(format!("bucket{of}")).unwrap();
    event(n, Change::BucketAttributes { bucket, birth: version(birth), attributes })
}

pub(super) fn entity(n: u8, of: u8) -> Event {
    let gone = n.is_multiple_of(3);
    let user = UserId::try_from(format!("user{of}")).unwrap();
    let bucket = BucketName::try_from(format!("bucket{of}")).unwrap();
    let state =
        User { name: format!("{n}"), enabled: true, keys: Vec::new(), quota: <_>::default() };
    let live = Bucket { birth: version(n), owner: user.clone() };
    event(
        n,
        match (of.is_multiple_of(2), gone) {
            (true, true) => Change::BucketDeleted { bucket },
            (true, false) => Change::BucketPut { bucket, state: live },
            (false, true) => Change::UserDeleted { user },
            (false, false) => Change::UserPut { user, state },
        },
    )
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Apply(Vec<Event>),
    /// Takes objects away altogether.
    Remove(Vec<u16>),
    /// Folds, and dies after so many commits.
    Fold(usize),
    Reopen,
}

pub(super) fn batches() -> impl Strategy<Value = Vec<Event>> {
    let events = prop_oneof![
        8 => (any::<u8>(), 0u16..200).prop_map(|(n, of)| object(n, of)),
        1 => (any::<u8>(), 0u16..200, any::<u8>()).prop_map(|(n, of, at)| attributes(n, of, at)),
        1 => (any::<u8>(), 0u8..80).prop_map(|(n, of)| entity(n, of)),
        1 => (0u8..20, 0u8..2).prop_map(|(n, of)| entity(n, of * 2)),
        2 => (0u8..20, 0u8..2, 0u8..20)
            .prop_map(|(n, of, birth)| bucket_attributes(n, of * 2, birth)),
    ];
    prop::collection::vec(events, 0..90)
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => batches().prop_map(Op::Apply),
        1 => prop::collection::vec(0u16..200, 0..80).prop_map(Op::Remove),
        4 => (0usize..12).prop_map(Op::Fold),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..14)
}
