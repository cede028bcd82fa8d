use std::collections::BTreeMap;

use model::{
    Digest, Epoch, Hlc, Partition, Position, Seq, SiteId, Version,
    tree::{Node, node_of},
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::*;

#[derive(Default)]
struct Kept {
    leaves: BTreeMap<EntityHash, Leaf>,
    nodes: BTreeMap<Path, Box<Branches>>,
}

impl Reader for Kept {
    fn node(&self, path: Path) -> Result<Option<Box<Branches>>, ReadError> {
        Ok(self.nodes.get(&path).cloned())
    }

    fn leaves(&self, path: Path, from: EntityHash, limit: usize) -> Result<Vec<Leaf>, ReadError> {
        let leaves = self.leaves.range(from..).take_while(|(entity, _)| **entity <= path.last());
        Ok(leaves.take(limit).map(|(_, leaf)| *leaf).collect())
    }
}

impl Kept {
    fn change(&mut self, place: EntityHash, version: Option<u64>) {
        let site = SiteId([1; 16]);
        match version {
            None => self.leaves.remove(&place),
            Some(hlc) => {
                let version = Version { hlc: Hlc(hlc), site };
                let (epoch, partition, seq) = (Epoch(0), Partition(0), Seq::NONE);
                let position = Position { site, epoch, partition, seq };
                let content = Digest([7; 32]);
                let (entity, deleted, attributes) = (place, false, None);
                let leaf = Leaf { entity, version, content, deleted, position, attributes };
                self.leaves.insert(place, leaf)
            }
        };
    }

    /// What a fold changes, in the order in which it is told.
    fn told(&self, marks: &[EntityHash]) -> Vec<(Path, Option<Box<Branches>>)> {
        let mut told = Vec::new();
        fold(self, marks, &mut |path, branches| {
            told.push((path, branches.map(|branches| Box::new(*branches))));
            Ok(())
        })
        .unwrap();
        told
    }

    fn keep(&mut self, told: impl IntoIterator<Item = (Path, Option<Box<Branches>>)>) {
        for (path, branches) in told {
            match branches {
                Some(branches) => self.nodes.insert(path, branches),
                None => self.nodes.remove(&path),
            };
        }
    }

    /// Every node that is reached from the root is what the leaves say.
    fn assert_true(&self) {
        let leaves: Vec<Leaf> = self.leaves.values().copied().collect();
        let mut paths = vec![Path::ROOT];
        while let Some(path) = paths.pop() {
            let below: Vec<Leaf> =
                leaves.iter().filter(|leaf| path.holds(leaf.entity)).copied().collect();
            match node_of(path, &below) {
                Node::Split(branches) => {
                    assert_eq!(self.nodes.get(&path), Some(&branches), "branch `{path}`");
                    paths.extend((0..16).filter_map(|nibble| path.branch(nibble)));
                }
                Node::Leaves(_) if path == Path::ROOT => assert_eq!(self.nodes.get(&path), None),
                Node::Leaves(_) => {}
            }
        }
    }
}

/// Few bits, so that places crowd, under one of two beginnings.
fn place(low: u16, deep: bool) -> EntityHash {
    let mut place = [0; 32];
    let at = if deep { 3 } else { 0 };
    place[at..at + 2].copy_from_slice(&low.to_be_bytes());
    EntityHash(Digest(place))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_fold_that_is_cut_off_anywhere_and_done_again_ends_at_what_the_leaves_say(
        rounds in prop::collection::vec(
            (
                prop::collection::vec((any::<u16>(), any::<bool>(), any::<Option<u64>>()), 0..120),
                prop::collection::vec((1usize..40, 0usize..30), 0..4),
            ),
            1..8,
        ),
    ) {
        let (mut kept, mut marks) = (Kept::default(), std::collections::BTreeSet::new());
        for (changes, cuts) in rounds {
            for (low, deep, version) in changes {
                // Removals hit what is there.
                let at = place(low, deep);
                let held = kept.leaves.range(at..).next().map(|(entity, _)| *entity);
                let at = if version.is_none() { held.unwrap_or(at) } else { at };
                kept.change(at, version);
                marks.insert(at);
            }
            for (some, cut) in cuts {
                let slice: Vec<EntityHash> = marks.iter().take(some).copied().collect();
                let told = kept.told(&slice);
                let whole = told.len() <= cut;
                kept.keep(told.into_iter().take(cut));
                if whole {
                    slice.iter().for_each(|mark| {
                        marks.remove(mark);
                    });
                }
            }
            // A view: the same fold over what is kept, elsewhere.
            let all: Vec<EntityHash> = marks.iter().copied().collect();
            let mut view = Kept { leaves: kept.leaves.clone(), nodes: kept.nodes.clone() };
            view.keep(kept.told(&all));
            view.assert_true();
        }
    }
}

#[test]
fn a_tree_that_is_grown_at_once_is_the_one_that_the_leaves_mean() {
    let mut kept = Kept::default();
    for n in 0..5_000_u64 {
        kept.change(EntityHash(Digest::of(&n.to_be_bytes())), Some(n));
    }
    let mut told = Vec::new();
    let root = grow(&kept, Path::ROOT, &mut |path, branches| {
        told.push((path, branches.map(|branches| Box::new(*branches))));
        Ok(())
    });
    kept.keep(told);
    kept.assert_true();
    let leaves: Vec<Leaf> = kept.leaves.values().copied().collect();
    assert_eq!(root.unwrap(), node_of(Path::ROOT, &leaves).summary());
}

#[test]
fn the_place_after_the_last_is_none() {
    assert_eq!(after(EntityHash(Digest([0xff; 32]))), None);
    let mut place = [0; 32];
    place[31] = 0xff;
    let mut next = [0; 32];
    next[30] = 1;
    assert_eq!(after(EntityHash(Digest(place))), Some(EntityHash(Digest(next))));
}
