use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop, proptest};

use super::*;
use crate::{Epoch, Hlc, Partition, Seq, SiteId};

fn leaf(place: [u8; 4], hlc: u64) -> Leaf {
    let site = SiteId([1; 16]);
    Leaf {
        entity: EntityHash(Digest::of(&place)),
        version: Version { hlc: Hlc(hlc), site },
        content: Digest::of(&hlc.to_be_bytes()),
        deleted: false,
        position: Position { site, epoch: Epoch(1), partition: Partition(0), seq: Seq(hlc) },
        attributes: (hlc == 2).then(|| attributes(hlc)),
    }
}

fn attributes(hlc: u64) -> LeafAttributes {
    let (site, epoch, partition) = (SiteId([1; 16]), Epoch(1), Partition(0));
    let position = Position { site, epoch, partition, seq: Seq(hlc) };
    LeafAttributes { digest: Digest::of(&hlc.to_be_bytes()), position }
}

fn leaves() -> impl Strategy<Value = BTreeMap<EntityHash, Leaf>> {
    let leaf = (any::<u16>(), 0u64..3).prop_map(|(place, hlc)| {
        let leaf = leaf(u32::from(place).to_be_bytes(), hlc);
        (leaf.entity, leaf)
    });
    prop::collection::vec(leaf, 0..2_000).prop_map(|all| all.into_iter().collect())
}

fn sorted(set: &BTreeMap<EntityHash, Leaf>) -> Vec<Leaf> {
    set.values().copied().collect()
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn law_9_roots_are_equal_if_and_only_if_sets_are(set in leaves(), more in any::<[u8; 4]>()) {
        let root = node_of(Path::ROOT, &sorted(&set)).summary();
        assert_eq!(root.leaves, set.len() as u64);
        let mut other = set.clone();
        let changed = leaf(more, 9);
        other.insert(changed.entity, changed);
        assert_ne!(node_of(Path::ROOT, &sorted(&other)).summary(), root);
        other.remove(&changed.entity);
        if !set.contains_key(&changed.entity) {
            assert_eq!(node_of(Path::ROOT, &sorted(&other)).summary(), root);
        }
    }

    #[test]
    fn what_a_branch_says_of_the_next_is_what_the_next_says(set in leaves()) {
        let all = sorted(&set);
        let Node::Split(branches) = node_of(Path::ROOT, &all) else { return Ok(()) };
        for (nibble, summary) in (0..).zip(branches.iter()) {
            let path = Path::ROOT.branch(nibble).unwrap();
            let below: Vec<_> = all.iter().copied().filter(|leaf| path.holds(leaf.entity)).collect();
            assert_eq!(node_of(path, &below).summary(), *summary);
        }
    }
}

#[test]
fn a_path_holds_what_it_leads_towards() {
    let entity = EntityHash(Digest::of(b"somewhere"));
    let mut path = Path::ROOT;
    while let Some(next) = path.branch(path.towards(entity)) {
        assert!(next.holds(entity) && path.holds(next.first()) && path.holds(next.last()));
        path = next;
    }
    assert_eq!((path.depth(), path.first(), path.last()), (64, entity, entity));
    assert_eq!(path.to_string(), entity.0.to_string());
    let sideways = Path::ROOT.branch(path.towards(entity) ^ 1).unwrap();
    assert!(!sideways.holds(EntityHash(Digest([0x55; 32]))) || sideways.first().0.0[0] >> 4 == 5);
}

#[test]
fn a_position_is_not_part_of_what_a_leaf_is() {
    let (a, mut b) = (leaf([0; 4], 1), leaf([0; 4], 1));
    b.position.seq = Seq(7);
    assert_eq!(a.digest(), b.digest());
    assert_ne!(a.digest(), Leaf { deleted: true, ..a }.digest());
    let with = |attributes| Leaf { attributes: Some(attributes), ..a }.digest();
    let elsewhere = LeafAttributes { position: b.position, ..attributes(3) };
    assert_eq!(with(elsewhere), with(attributes(3)));
    assert!(with(attributes(3)) != with(attributes(4)) && with(attributes(3)) != a.digest());
}
