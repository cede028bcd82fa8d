use bytes::{Bytes, BytesMut};
use model::{
    BucketName, EntityHash, Epoch, Hlc, ObjectKey, Position, Slot, Version,
    tree::{FANOUT, LEAVES_MAX, Leaf, LeafAttributes, Node, Path},
};

use super::*;

const HOME: Home = Home { site: SiteId([1; 16]), epoch: Epoch(7) };

const DELETED_WITH_ATTRIBUTES: u8 = 9;
const ATTRIBUTES_HOME_OF_NONE: u8 = 16;

fn leaf(number: u64) -> Leaf {
    let site = SiteId([u8::from(!number.is_multiple_of(3)); 16]);
    let epoch = Epoch(if number.is_multiple_of(5) { 6 } else { 7 });
    let deleted = number.is_multiple_of(7);
    let partition = Partition(u16::try_from(number % 1_024).unwrap());
    let position = Position { site, epoch, partition, seq: Seq(number << 20) };
    let seq = Seq(number << 30);
    let attributes = (number % 4 == 3 && !deleted).then(|| {
        let home = Position { site: HOME.site, epoch: HOME.epoch, partition, seq };
        let position = if number > 16 { home } else { Position { seq, ..position } };
        LeafAttributes { digest: Digest::of(b"attributes"), position }
    });
    Leaf {
        entity: EntityHash(Digest::of(&number.to_be_bytes())),
        version: Version { hlc: Hlc(number << 40), site: SiteId([1; 16]) },
        content: if deleted { Digest::ZERO } else { Digest::of(b"content") },
        deleted,
        position,
        attributes,
    }
}

fn split() -> Node {
    let mut branches = [Summary::EMPTY; FANOUT];
    for (branch, leaves) in branches.iter_mut().zip([0, 1, 127, 128, u64::MAX]) {
        if leaves > 0 {
            *branch = Summary { leaves, digest: Digest::of(b"branch") };
        }
    }
    Node::Split(Box::new(branches))
}

fn bucket() -> Scope {
    Scope::Bucket(BucketName::try_from("bucket".to_owned()).unwrap())
}

fn nodes() -> Vec<Node> {
    let leaves = |count| Node::Leaves((0..count).map(leaf).collect());
    vec![split(), leaves(0), leaves(1), leaves(LEAVES_MAX as u64)]
}

#[test]
fn nodes_survive_any_cut_of_the_stream() {
    let mut stream = BytesMut::new();
    nodes().iter().for_each(|node| node_frame(&mut stream, HOME, node));
    for cut in [1, 2, 3, 7, 100, stream.len()] {
        let (mut frames, mut found) = (NodeFrames::new(HOME), Vec::new());
        for piece in stream.chunks(cut) {
            frames.push(piece);
            while let Some(node) = frames.next_node().unwrap() {
                found.push(node);
            }
        }
        assert_eq!(found, nodes(), "pieces of {cut}");
    }
}

#[test]
fn what_is_sent_much_is_short() {
    let length = |node: &Node| {
        let mut out = BytesMut::new();
        node_frame(&mut out, HOME, node);
        out.len()
    };
    assert_eq!(length(&Node::Leaves(Vec::new())), 3);
    // Of a million leaves: a summary is 34 bytes, a leaf 77.
    let summary = Summary { leaves: 60_000, digest: Digest::of(b"branch") };
    assert!(length(&Node::Split(Box::new([summary; FANOUT]))) <= 3 + FANOUT * 35);
    let mut usual = leaf(1);
    usual.position = Position { partition: Partition(3), seq: Seq(60_000), ..usual.position };
    assert!(length(&Node::Leaves(vec![usual; 32])) <= 3 + 32 * 77);
}

#[test]
fn what_is_no_node_is_refused() {
    let refuse = |bytes: &[u8]| {
        let mut frames = NodeFrames::new(HOME);
        frames.push(bytes);
        frames.next_node().unwrap_err()
    };
    assert!(matches!(refuse(&[0, 1, 33]), CodeError::Wrong { what: "node", found: 33 }));
    for flags in [DELETED_WITH_ATTRIBUTES, ATTRIBUTES_HOME_OF_NONE, 32] {
        assert!(matches!(refuse(&[0, 2, 1, flags]), CodeError::Wrong { what: "leaf", .. }));
    }
    assert!(matches!(refuse(&[0, 2, 1, 0]), CodeError::Short("leaf")));
    assert!(matches!(refuse(&[0, 2, 0, 0]), CodeError::Trailing(1)));
    assert!(matches!(refuse(&[0, 2, 0xff, 0x81]), CodeError::Short("number")));
    let endless = [&[0, 12, 0xff][..], &[0xff; 11]].concat();
    assert!(matches!(refuse(&endless), CodeError::Wrong { what: "number", .. }));
    assert!(matches!(refuse(&[0, 0]), CodeError::Short("node")));
}

#[test]
fn requests_come_out_as_they_went_in_and_are_bounded() {
    let mut path = Path::ROOT;
    let mut paths = vec![(Scope::Entities, path)];
    for nibble in [3, 0xf, 0, 9] {
        path = path.branch(nibble).unwrap();
        paths.push((bucket(), path));
    }
    let asked = Asked::new(u64::MAX, paths);
    assert_eq!((asked.scopes.len(), asked.count()), (2, 5));
    assert_eq!(Asked::from_bytes(asked.to_bytes()), Ok(asked));
    let states = Asked::new(1, [(bucket(), leaf(1).entity), (bucket(), leaf(2).entity)]);
    assert_eq!(Asked::from_bytes(states.to_bytes()), Ok(states));

    let many = Asked::new(1, vec![(bucket(), leaf(1).entity); ENTITIES_MAX + 1]);
    let refused = Asked::<EntityHash>::from_bytes(many.to_bytes()).unwrap_err();
    assert!(matches!(refused, CodeError::Many { what: "entities", .. }), "{refused}");
    let refused =
        |bytes: &'static [u8]| Asked::<Path>::from_bytes(Bytes::from_static(bytes)).unwrap_err();
    assert!(matches!(refused(b"short"), CodeError::Short("cut")));
    assert!(matches!(refused(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 7]), CodeError::Trailing(1)));
    let name = refused(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 2, b'A', b'b', 0]);
    assert!(matches!(name, CodeError::Wrong { what: "name", .. }), "{name}");
    let deep = [&[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 65][..], &[0; 33]].concat();
    let deep = Asked::<Path>::from_bytes(deep.into()).unwrap_err();
    assert!(matches!(deep, CodeError::Wrong { what: "path", found: 65 }));
}

#[test]
fn pages_come_out_as_they_went_in() {
    let root = Summary { leaves: 3, digest: Digest::of(b"root") };
    let page = RootsPage { more: true, roots: vec![(Scope::Entities, root), (bucket(), root)] };
    assert_eq!(RootsPage::from_bytes(page.to_bytes()), Ok(page));
    assert!(RootsPage::from_bytes(Bytes::from_static(&[2, 0])).is_err());
    let key = ObjectKey::try_from("photos/1".to_owned()).unwrap();
    for page in [
        KeysPage::Same,
        KeysPage::Leaves(vec![leaf(1), leaf(2), leaf(3)], None),
        KeysPage::Leaves(Vec::new(), Some(SlotName { key: key.clone(), slot: Slot::Null })),
        KeysPage::Leaves(Vec::new(), Some(SlotName { key, slot: Slot::Own(leaf(1).version) })),
    ] {
        assert_eq!(KeysPage::from_bytes(page.to_bytes(HOME), HOME), Ok(page));
    }
    assert!(KeysPage::from_bytes(Bytes::from_static(&[0, 0]), HOME).is_err());
}

#[test]
fn one_digest_tells_all_roots_apart() {
    let root = |leaves| Summary { leaves, digest: Digest::of(b"root") };
    let of = |roots: &[(Scope, Summary)]| {
        RootsDigest::of(roots.iter().map(|(scope, root)| (scope, root)))
    };
    let both = of(&[(Scope::Entities, root(1)), (bucket(), root(2))]);
    assert_eq!((both.scopes, both.leaves), (2, 3));
    assert_ne!(both.digest, of(&[(Scope::Entities, root(2)), (bucket(), root(1))]).digest);
    assert_ne!(both.digest, of(&[(bucket(), root(2))]).digest);
}
