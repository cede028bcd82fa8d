use bytes::{Bytes, BytesMut};
use model::{
    BucketName, EntityHash, Epoch, Hlc, ObjectKey, Position, Slot, Version,
    tree::{FANOUT, LEAVES_MAX, Leaf, LeafAttributes, Node, Path, Rest, Sketch},
};
use proptest::prelude::{any, prop, proptest};

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

fn rests() -> Vec<Rest> {
    let leaves = |count| (0..count).map(leaf).collect();
    let Node::Split(branches) = split() else { unreachable!() };
    vec![
        Rest::Whole(split()),
        Rest::Whole(Node::Leaves(leaves(0))),
        Rest::Whole(Node::Leaves(leaves(LEAVES_MAX as u64))),
        Rest::Split { same: 0xffff, others: Vec::new() },
        Rest::Split { same: 0xfffc, others: branches[1..3].to_vec() },
        Rest::Leaves { same: u32::MAX, others: Vec::new() },
        Rest::Leaves { same: 1 << 31, others: leaves(3) },
    ]
}

fn sketches() -> Vec<Sketch> {
    let leaves = Node::Leaves((0..LEAVES_MAX as u64).map(leaf).collect());
    vec![Sketch::NOTHING, Sketch::of(&leaves), Sketch::of(&split())]
}

fn sketched(here: Sketch) -> (Scope, Sketched) {
    (bucket(), Sketched { path: Path::ROOT.branch(3).unwrap().branch(0xf).unwrap(), here })
}

#[test]
fn branches_survive_any_cut_of_the_stream() {
    let mut stream = BytesMut::new();
    rests().iter().for_each(|rest| rest_frame(&mut stream, HOME, rest));
    for cut in [1, 2, 3, 7, 100, stream.len()] {
        let (mut frames, mut found) = (RestFrames::new(HOME), Vec::new());
        for piece in stream.chunks(cut) {
            frames.push(piece);
            while let Some(rest) = frames.next_rest().unwrap() {
                found.push(rest);
            }
        }
        assert_eq!(found, rests(), "pieces of {cut}");
    }
}

#[test]
fn states_survive_any_cut_of_the_stream() {
    let states = [Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"another")];
    let stream = states.iter().flat_map(state_frame).collect::<Vec<_>>().concat();
    for cut in 1..stream.len() {
        let (mut frames, mut found) = (StateFrames::default(), Vec::new());
        for piece in stream.chunks(cut) {
            frames.push(piece);
            while let Some(state) = frames.next_state().unwrap() {
                found.push(state);
            }
        }
        assert_eq!((&found[..], frames.rest()), (&states[..], 0), "pieces of {cut}");
    }
    let mut frames = StateFrames::default();
    frames.push(&[0, 8, 0, 1]);
    let refused = frames.next_state().unwrap_err();
    assert_eq!(refused.to_string(), "524289 bytes of a state, at most 524288 in one message");
}

#[test]
fn what_is_sent_much_is_short() {
    let length = |rest: &Rest| {
        let mut out = BytesMut::new();
        rest_frame(&mut out, HOME, rest);
        out.len()
    };
    assert_eq!(length(&Rest::Whole(Node::Leaves(Vec::new()))), 3);
    // Of a million leaves: a summary is 34 bytes, a leaf 77.
    let summary = Summary { leaves: 60_000, digest: Digest::of(b"branch") };
    assert!(length(&Rest::Whole(Node::Split(Box::new([summary; FANOUT])))) <= 3 + FANOUT * 35);
    assert!(length(&Rest::Split { same: 0xfffe, others: vec![summary] }) <= 3 + 3 + 35);
    let mut usual = leaf(1);
    usual.position = Position { partition: Partition(3), seq: Seq(60_000), ..usual.position };
    assert!(length(&Rest::Whole(Node::Leaves(vec![usual; 32]))) <= 3 + 32 * 77);
    assert!(length(&Rest::Leaves { same: !1, others: vec![usual] }) <= 3 + 6 + 77);
    let asked = |here| Asked::new(1, [sketched(here)]).to_bytes().len();
    let lengths: Vec<_> = sketches().into_iter().map(asked).collect();
    let [nothing, leaves, split] = lengths[..] else { unreachable!() };
    assert_eq!((leaves - nothing, split - nothing), (32 * 4, 16 * 4));
}

#[test]
fn bytes_of_branches_are_these() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let asked = |here| hex(&Asked::new(1, [sketched(here)]).to_bytes());
    // Cut, one scope, its name, one branch; its depth and nibbles, and what is sketched.
    let head = "00000000000000010106".to_owned() + &hex(b"bucket") + "01023f";
    let few = Sketch::Leaves(vec![[1, 2, 3, 4], [5, 6, 7, 8]]);
    assert_eq!(asked(Sketch::NOTHING), head.clone() + "00");
    assert_eq!(asked(few), head.clone() + "020102030405060708");
    assert_eq!(asked(Sketch::Split([[9; 4]; FANOUT])), head + "ff" + &"09".repeat(64));
    let frame = |rest: &Rest| {
        let mut out = BytesMut::new();
        rest_frame(&mut out, HOME, rest);
        hex(&out)
    };
    let summary = Summary { leaves: 200, digest: Digest([7; 32]) };
    let others = vec![summary, Summary::EMPTY];
    let split = "0027feff7f".to_owned() + "c801" + &"07".repeat(32) + "00";
    assert_eq!(frame(&Rest::Split { same: 0x3fff, others }), split.replace("0027", "0026"));
    let leaf = Leaf {
        entity: EntityHash(Digest([2; 32])),
        version: Version { hlc: Hlc(5), site: HOME.site },
        content: Digest([3; 32]),
        deleted: false,
        position: Position {
            site: HOME.site,
            epoch: HOME.epoch,
            partition: Partition(4),
            seq: Seq(300),
        },
        attributes: None,
    };
    let bytes = format!("06{}0000000000000005{}04ac02", "02".repeat(32), "03".repeat(32));
    let whole = frame(&Rest::Whole(Node::Leaves(vec![leaf])));
    assert_eq!(whole, format!("004d01{bytes}"));
    let beside = frame(&Rest::Leaves { same: 0b101, others: vec![leaf] });
    assert_eq!(beside, format!("004ffd0501{bytes}"));
}

#[test]
fn what_is_no_branch_is_refused() {
    let refuse = |bytes: &[u8]| {
        let mut frames = RestFrames::new(HOME);
        frames.push(bytes);
        frames.next_rest().unwrap_err()
    };
    assert!(matches!(refuse(&[0, 1, 33]), CodeError::Wrong { what: "branch", found: 33 }));
    for flags in [DELETED_WITH_ATTRIBUTES, ATTRIBUTES_HOME_OF_NONE, 32] {
        assert!(matches!(refuse(&[0, 2, 1, flags]), CodeError::Wrong { what: "leaf", .. }));
    }
    assert!(matches!(refuse(&[0, 2, 1, 0]), CodeError::Short("leaf")));
    assert!(matches!(refuse(&[0, 2, 0, 0]), CodeError::Trailing(1)));
    assert!(matches!(refuse(&[0, 2, 0xff, 0x81]), CodeError::Short("number")));
    let endless = [&[0, 12, 0xff][..], &[0xff; 11]].concat();
    assert!(matches!(refuse(&endless), CodeError::Wrong { what: "number", .. }));
    assert!(matches!(refuse(&[0, 0]), CodeError::Short("branch")));
    // Places that no sketch has, and others that do not come.
    let places = refuse(&[0, 4, 0xfe, 0x80, 0x80, 4]);
    assert!(matches!(places, CodeError::Wrong { what: "sketch", found: 65_536 }));
    let places = refuse(&[0, 6, 0xfd, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert!(matches!(places, CodeError::Wrong { what: "sketch", .. }));
    assert!(matches!(refuse(&[0, 2, 0xfe, 0]), CodeError::Short("number")));
    assert!(matches!(refuse(&[0, 3, 0xfd, 1, 33]), CodeError::Wrong { what: "branch", .. }));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
        let mut frames = RestFrames::new(HOME);
        frames.push(&framed);
        if let Ok(Some(rest)) = frames.next_rest() {
            // Numbers may be longer than they need be; what they say is the same.
            let mut again = BytesMut::new();
            rest_frame(&mut again, HOME, &rest);
            frames.push(&again);
            assert_eq!(frames.next_rest(), Ok(Some(rest)));
        }
        if let Ok(asked) = Asked::<Sketched>::from_bytes(bytes.into()) {
            assert_eq!(Asked::from_bytes(asked.to_bytes()), Ok(asked));
        }
    }

    #[test]
    fn what_is_nearly_a_message_is_read_or_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        for rest in rests() {
            let mut frame = BytesMut::new();
            rest_frame(&mut frame, HOME, &rest);
            let at = at.index(frame.len());
            frame[at] = to;
            let mut frames = RestFrames::new(HOME);
            frames.push(&frame);
            let _ = frames.next_rest();
        }
        for here in sketches() {
            let mut asked = BytesMut::from(Asked::new(7, [sketched(here)]).to_bytes());
            let at = at.index(asked.len());
            asked[at] = to;
            let _ = Asked::<Sketched>::from_bytes(asked.freeze());
        }
    }
}

#[test]
fn requests_come_out_as_they_went_in_and_are_bounded() {
    let mut path = Path::ROOT;
    let mut paths = vec![(Scope::Entities, path)];
    for nibble in [3, 0xf, 0, 9] {
        path = path.branch(nibble).unwrap();
        paths.push((bucket(), path));
    }
    let here = sketches().into_iter().cycle();
    let sketched = |((scope, path), here)| (scope, Sketched { path, here });
    let asked = Asked::new(u64::MAX, paths.into_iter().zip(here).map(sketched));
    assert_eq!((asked.scopes.len(), asked.count()), (2, 5));
    assert_eq!(Asked::from_bytes(asked.to_bytes()), Ok(asked));
    let states = Asked::new(1, [(bucket(), leaf(1).entity), (bucket(), leaf(2).entity)]);
    assert_eq!(Asked::from_bytes(states.to_bytes()), Ok(states));

    let many = Asked::new(1, vec![(bucket(), leaf(1).entity); ENTITIES_MAX + 1]);
    let refused = Asked::<EntityHash>::from_bytes(many.to_bytes()).unwrap_err();
    assert!(matches!(refused, CodeError::Many { what: "entities", .. }), "{refused}");
    let refused = |bytes: &'static [u8]| {
        Asked::<Sketched>::from_bytes(Bytes::from_static(bytes)).unwrap_err()
    };
    assert!(matches!(refused(b"short"), CodeError::Short("cut")));
    assert!(matches!(refused(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 7]), CodeError::Trailing(1)));
    let name = refused(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 2, b'A', b'b', 0]);
    assert!(matches!(name, CodeError::Wrong { what: "name", .. }), "{name}");
    let deep = [&[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 65][..], &[0; 33]].concat();
    let deep = Asked::<Sketched>::from_bytes(deep.into()).unwrap_err();
    assert!(matches!(deep, CodeError::Wrong { what: "path", found: 65 }));
    let many = [&[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 33][..], &[0; 132]].concat();
    let many = Asked::<Sketched>::from_bytes(many.into()).unwrap_err();
    assert!(matches!(many, CodeError::Wrong { what: "branch", found: 33 }));
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
