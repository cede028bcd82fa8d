//! How two trees are compared: root to leaves, only where they differ. Pure.
//!
//! A step takes what was read and says what to read and what to mend next. All branches of a level
//! that differ go into few requests, several under way at once, so that the number of round trips
//! follows the depth of the tree and not the number of differences. The deepest branches go first,
//! and everything in hand counts against one budget: memory is bounded whatever differs.
//!
//! The shapes of unequal sets differ. Where one side is split and the other is not, the few
//! leaves of the other are dealt out to the branches and go down with them, so that nothing is
//! asked for that is in hand already.

mod compare;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use model::{
    Partition, Seq,
    tree::{Cut, LEAVES_MAX, Leaf, Node, Path, Scope, Summary, Verdict},
};

pub(crate) use self::compare::differences;

/// What a comparison may hold and have under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkLimits {
    /// Branches, leaves and differences in hand; each is 100 to 300 bytes.
    pub budget: usize,
    /// Requests for nodes under way.
    pub looks: usize,
    /// Branches of one request, at least and at most.
    pub paths: (usize, usize),
    /// Batches of differences under way.
    pub mends: usize,
    /// Differences of one batch.
    pub found: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { budget: 1 << 17, looks: 4, paths: (16, 4_096), mends: 4, found: 256 }
    }
}

/// A request may take this long before the next ones are made smaller; half of it makes them
/// larger. Several times the round trip around the world.
const LOOK_TARGET: Duration = Duration::from_secs(1);
/// Branches of the first requests.
const PATHS_FIRST: usize = 512;
/// What one branch may turn into: the leaves of both sides.
const WEIGHT: usize = 2 * LEAVES_MAX;

/// One side of a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Side {
    /// To be read; what the level above says of it.
    Ask(Summary),
    /// In hand: not split.
    Known(Vec<Leaf>),
}

/// A branch that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Branch {
    scope: Arc<Scope>,
    path: Path,
    source: Side,
    here: Side,
}

/// A branch to read, and from whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub scope: Arc<Scope>,
    pub path: Path,
    /// From the source, if so: what it has said of it.
    pub source: Option<Summary>,
    /// From this site.
    pub here: bool,
}

/// An entity that is not the same at both sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub scope: Arc<Scope>,
    pub verdict: Verdict,
    pub source: Option<Leaf>,
    pub here: Option<Leaf>,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Read these branches, and say so with [`Input::Looked`].
    Look { id: u64, places: Vec<Place> },
    /// Mend these, and say so with [`Input::Mended`].
    Mend { id: u64, found: Vec<Found> },
    /// So many more leaves are compared, and so many of them differ.
    Count { compared: u64, differ: u64 },
    /// Nothing is left.
    Done,
}

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Trees to compare, with the roots of the source and of this site.
    Begin(Vec<(Scope, Summary, Summary)>),
    /// The nodes of a [`Effect::Look`] in its order, the source's and this site's, each where it
    /// was asked for; and how long the request took.
    Looked { id: u64, nodes: Vec<(Option<Node>, Option<Node>)>, took: Duration },
    /// A batch is mended, or put aside.
    Mended { id: u64 },
}

/// A comparison under way.
pub struct Walker {
    limits: WalkLimits,
    cut: Cut,
    trimmed_here: BTreeMap<Partition, Seq>,
    /// By depth.
    branches: BTreeMap<u8, VecDeque<Branch>>,
    found: VecDeque<Found>,
    looks: HashMap<u64, Vec<Branch>>,
    /// How many are in each batch.
    mends: HashMap<u64, usize>,
    next: u64,
    /// Branches of the next request.
    size: usize,
    compared: u64,
    differ: u64,
}

impl Walker {
    /// Nothing is compared yet. `trimmed_here` as in [`model::tree::verdict()`].
    #[must_use]
    pub fn new(limits: WalkLimits, cut: Cut, trimmed_here: BTreeMap<Partition, Seq>) -> Self {
        let size = PATHS_FIRST.clamp(limits.paths.0, limits.paths.1);
        Self {
            limits,
            cut,
            trimmed_here,
            branches: BTreeMap::new(),
            found: VecDeque::new(),
            looks: HashMap::new(),
            mends: HashMap::new(),
            next: 0,
            size,
            compared: 0,
            differ: 0,
        }
    }

    /// Takes in what has happened and says what to do next.
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Begin(scopes) => {
                for (scope, source, here) in scopes {
                    self.descend(&Arc::new(scope), Path::ROOT, (source, None), (here, None));
                }
            }
            Input::Looked { id, nodes, took } => {
                let branches = self.looks.remove(&id).unwrap_or_default();
                self.adapt(branches.len(), took);
                for (branch, (source, here)) in branches.into_iter().zip(nodes) {
                    let source = branch.source.or(source);
                    let here = branch.here.or(here);
                    self.compare(&branch.scope, branch.path, source, here);
                }
            }
            Input::Mended { id } => {
                self.mends.remove(&id);
            }
        }
        let mut effects = Vec::new();
        if self.compared > 0 || self.differ > 0 {
            let (compared, differ) = (self.compared, self.differ);
            (self.compared, self.differ) = (0, 0);
            effects.push(Effect::Count { compared, differ });
        }
        self.mend(&mut effects);
        self.look(&mut effects);
        if self.looks.is_empty() && self.mends.is_empty() {
            effects.push(Effect::Done);
        }
        effects
    }

    /// Larger requests where the link is quick, smaller ones where it is not.
    fn adapt(&mut self, asked: usize, took: Duration) {
        let (least, most) = self.limits.paths;
        if took > LOOK_TARGET {
            self.size = (asked / 2).clamp(least, self.size.max(least));
        } else if took < LOOK_TARGET / 2 && asked >= self.size {
            self.size = (self.size * 2).min(most);
        }
    }

    /// Branches, differences, and what those under way may turn into.
    fn in_hand(&self) -> usize {
        let branches: usize = self.branches.values().map(VecDeque::len).sum();
        let looks: usize = self.looks.values().map(|look| look.len() * WEIGHT).sum();
        branches + looks + self.found.len() + self.mends.values().sum::<usize>()
    }

    /// Whole batches at once; what is left of one when nothing more can come soon.
    fn mend(&mut self, effects: &mut Vec<Effect>) {
        let last = self.branches.is_empty() && self.looks.is_empty();
        while self.mends.len() < self.limits.mends
            && (self.found.len() >= self.limits.found || last && !self.found.is_empty())
        {
            let count = self.found.len().min(self.limits.found);
            let found: Vec<_> = self.found.drain(..count).collect();
            let id = self.number();
            self.mends.insert(id, count);
            effects.push(Effect::Mend { id, found });
        }
    }

    fn look(&mut self, effects: &mut Vec<Effect>) {
        while self.looks.len() < self.limits.looks && !self.branches.is_empty() {
            let room = self.limits.budget.saturating_sub(self.in_hand()) / WEIGHT;
            let idle = self.looks.is_empty() && self.mends.is_empty();
            // Something always goes on, or nothing would ever make room.
            let room = if idle { room.max(self.limits.paths.0) } else { room };
            let branches = self.deepest(room.min(self.size));
            if branches.is_empty() {
                break;
            }
            let places = branches.iter().map(Branch::place).collect();
            let id = self.number();
            self.looks.insert(id, branches);
            effects.push(Effect::Look { id, places });
        }
    }

    /// Takes so many branches, the deepest first.
    fn deepest(&mut self, count: usize) -> Vec<Branch> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(mut level) = self.branches.last_entry()
        {
            let missing = count - taken.len();
            let some = level.get().len().min(missing);
            taken.extend(level.get_mut().drain(..some));
            if level.get().is_empty() {
                level.remove();
            }
        }
        taken
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Side {
    /// What was in hand, or else what was read; nothing if neither was.
    fn or(self, read: Option<Node>) -> Node {
        match self {
            Self::Known(leaves) => Node::Leaves(leaves),
            Self::Ask(_) => read.unwrap_or(Node::Leaves(Vec::new())),
        }
    }

    fn asked(&self) -> Option<Summary> {
        match self {
            Self::Ask(told) => Some(*told),
            Self::Known(_) => None,
        }
    }
}

impl Branch {
    fn place(&self) -> Place {
        Place {
            scope: Arc::clone(&self.scope),
            path: self.path,
            source: self.source.asked(),
            here: self.here.asked().is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
