use std::collections::{BTreeMap, HashMap};

use proptest::prelude::{Strategy, any, prop, proptest};

use super::*;
use crate::{
    EntityHash, Epoch, Hlc, Partition, Position, Seq, SiteId, Version,
    tree::{Path, node_of},
};

fn leaf(number: u16, content: u64, seq: u64) -> Leaf {
    let site = SiteId([1; 16]);
    Leaf {
        entity: EntityHash(Digest::of(&number.to_be_bytes())),
        version: Version { hlc: Hlc(content), site },
        content: Digest::of(&content.to_be_bytes()),
        deleted: false,
        position: Position { site, epoch: Epoch(1), partition: Partition(0), seq: Seq(seq) },
        attributes: None,
    }
}

/// A branch, as two sites hold it: each entity at one of them, or at both, the same or not.
fn branches() -> impl Strategy<Value = (Node, Node)> {
    let entity = (any::<u16>(), 0_u8..8, 1_u64..3);
    prop::collection::vec(entity, 0..80).prop_map(|all| {
        let (mut source, mut here) = (BTreeMap::new(), BTreeMap::new());
        for (number, who, content) in all {
            let held = leaf(number, content, 7);
            if who != 0 {
                source.insert(held.entity, held);
            }
            match who {
                1 => None,
                2 => here.insert(held.entity, leaf(number, 9, 7)),
                // Where a state was written is not what it is.
                _ => here.insert(held.entity, leaf(number, content, 8)),
            };
        }
        let node =
            |leaves: BTreeMap<_, _>| node_of(Path::ROOT, &leaves.into_values().collect::<Vec<_>>());
        (node(source), node(here))
    })
}

fn digests(node: &Node) -> Vec<Digest> {
    match node {
        Node::Split(branches) => branches.iter().map(|branch| branch.digest).collect(),
        Node::Leaves(leaves) => leaves.iter().map(Leaf::digest).collect(),
    }
}

proptest! {
    #[test]
    fn a_branch_comes_out_as_it_is_and_nothing_of_it_is_sent_that_is_here((source, here) in branches()) {
        let rest = Rest::of(source.clone(), &Sketch::of(&here));
        // What is sent is a part, and nothing that is here; of branches, at their place.
        match (&rest, &source, &here) {
            (Rest::Split { same, others }, Node::Split(source), Node::Split(here)) => {
                let other = (0..FANOUT).filter(|at| source[*at] != here[*at]);
                assert_eq!(others, &other.map(|at| source[at]).collect::<Vec<_>>());
                assert_eq!(same.count_ones() as usize + others.len(), FANOUT);
            }
            (Rest::Leaves { same, others }, Node::Leaves(_), Node::Leaves(_)) => {
                let ours = digests(&here);
                assert!(others.iter().all(|leaf| !ours.contains(&leaf.digest())));
                assert_eq!(u64::from(same.count_ones()) + others.len() as u64, source.summary().leaves);
            }
            (rest, ..) => assert_eq!(rest, &Rest::Whole(source.clone())),
        }
        let whole = rest.onto(&here, &source.summary()).unwrap();
        assert_eq!(digests(&whole), digests(&source));
        let whole = Rest::of(source.clone(), &Sketch::NOTHING);
        assert_eq!(whole, Rest::Whole(source));
    }
}

#[test]
fn what_is_the_same_is_what_the_asker_has_and_what_it_lacks_is_what_the_origin_wrote() {
    let mut ours: Vec<_> = (0..3).map(|number| leaf(number, 1, 8)).collect();
    let mut theirs: Vec<_> = (0..4).map(|number| leaf(number, 1, 7)).collect();
    ours.sort_by_key(|leaf| leaf.entity);
    theirs.sort_by_key(|leaf| leaf.entity);
    let (here, source) = (Node::Leaves(ours.clone()), Node::Leaves(theirs));
    let rest = Rest::of(source.clone(), &Sketch::of(&here));
    assert_eq!(rest, Rest::Leaves { same: 0b111, others: vec![leaf(3, 1, 7)] });
    let mut both = [&ours[..], &[leaf(3, 1, 7)]].concat();
    both.sort_by_key(|leaf| leaf.entity);
    assert_eq!(rest.onto(&here, &source.summary()), Some(Node::Leaves(both)));
}

/// Two contents of one entity that are alike in a sketch: of 100,000 there are some.
fn alike() -> [Leaf; 2] {
    let mut seen = HashMap::new();
    let found = (1..).find_map(|content| {
        let other = seen.insert(stub(leaf(0, content, 7).digest()), content)?;
        Some([content, other])
    });
    found.unwrap().map(|content| leaf(0, content, 7))
}

#[test]
fn what_only_looks_alike_does_not_add_up() {
    let [ours, theirs] = alike();
    assert_ne!(ours.digest(), theirs.digest());
    let (here, source) = (Node::Leaves(vec![ours]), Node::Leaves(vec![theirs]));
    let rest = Rest::of(source.clone(), &Sketch::of(&here));
    assert_eq!(rest, Rest::Leaves { same: 1, others: Vec::new() });
    assert_eq!(rest.onto(&here, &source.summary()), None);
    // The same of branches: their digests alike, and what is below them not.
    let split = |digest: Digest| Node::Split(Box::new([Summary { leaves: 3, digest }; FANOUT]));
    let (here, source) = (split(ours.digest()), split(theirs.digest()));
    let rest = Rest::of(source.clone(), &Sketch::of(&here));
    assert_eq!(rest, Rest::Split { same: 0xffff, others: Vec::new() });
    assert_eq!(rest.onto(&here, &source.summary()), None);
    let whole = Rest::of(source.clone(), &Sketch::NOTHING);
    assert_eq!(whole.whole(), Some(source));
}

#[test]
fn a_rest_that_cannot_be_of_the_sketch_does_not_add_up() {
    let node = Node::Leaves(vec![leaf(0, 1, 7)]);
    let split = Node::Split(Box::new([node.summary(); FANOUT]));
    let none = Rest::Leaves { same: u32::MAX, others: Vec::new() };
    assert_eq!(none.clone().whole(), None);
    assert_eq!(none.clone().onto(&node, &node.summary()), Some(node.clone()));
    for here in [&split, &Node::Leaves(Vec::new())] {
        assert_eq!(none.clone().onto(here, &node.summary()), None);
    }
    let few = Rest::Split { same: 1, others: vec![node.summary(); 14] };
    assert_eq!(few.clone().onto(&split, &split.summary()), None);
    assert_eq!(few.onto(&node, &split.summary()), None);
}
