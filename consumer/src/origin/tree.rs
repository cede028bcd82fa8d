//! The origin's hash trees, as full sync asks for them.

use std::sync::Arc;

use bus::wire::{
    self, Frame, Frames, ScrubAsked, ScrubPage,
    tree::{
        self, Asked, CutAsked, CutMade, Home, KeysAsked, KeysPage, NodeFrames, RootsAsked,
        RootsDigest, RootsPage, RootsWhat,
    },
};
use bytes::Bytes;
use http::Method;
use hyper::body::Incoming;
use model::{
    BlockHash, EntityHash, SealedEvent,
    tree::{Leaf, Node, Path, Scope},
};

use super::{Meter, Origin, OriginError};

/// Answers about roots or keys: 4,096 leaves are 600 KiB at most.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl Origin {
    /// The same origin, with what is asked of it counted apart.
    pub(crate) fn metered(&self) -> Self {
        Self { link: self.link.clone(), meter: Arc::default() }
    }

    /// What was asked of it and came of that.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Has it read back its next blocks.
    pub(crate) async fn scrub(&self, after: Option<BlockHash>) -> Result<ScrubPage, OriginError> {
        self.json(Method::POST, wire::SCRUB, &ScrubAsked { after }).await
    }

    /// Gives it a block in place of one that is rotten or gone there.
    pub(crate) async fn give_block(
        &self,
        hash: BlockHash,
        bytes: Bytes,
    ) -> Result<(), OriginError> {
        let path = format!("{}/{hash}", wire::BLOCKS);
        self.send(Method::PUT, &path, bytes).await.map(drop)
    }

    pub(crate) async fn make_cut(&self, asked: &CutAsked) -> Result<CutMade, OriginError> {
        self.json(Method::POST, tree::CUTS, asked).await
    }

    pub(crate) async fn end_cut(&self, id: u64) -> Result<(), OriginError> {
        self.json(Method::DELETE, &format!("{}/{id}", tree::CUTS), &()).await
    }

    /// One digest over all roots, or over that of one scope.
    pub(crate) async fn roots_digest(
        &self,
        cut: u64,
        scope: Option<&Scope>,
    ) -> Result<RootsDigest, OriginError> {
        let asked = RootsAsked { cut, scope: scope.cloned(), what: RootsWhat::Digest };
        self.json(Method::POST, tree::ROOTS, &asked).await
    }

    /// The next roots behind a scope.
    pub(crate) async fn roots(
        &self,
        cut: u64,
        scope: Option<&Scope>,
        after: Option<Scope>,
    ) -> Result<RootsPage, OriginError> {
        let asked = RootsAsked { cut, scope: scope.cloned(), what: RootsWhat::Page(after) };
        let response = self.ask(Method::POST, tree::ROOTS, &asked).await?;
        let page = RootsPage::from_bytes(self.small(response, PAGE_BYTES_MAX).await?);
        page.map_err(|error| self.nonsense(&error))
    }

    /// Whether a run of keys holds the same there.
    pub(crate) async fn keys(
        &self,
        asked: &KeysAsked,
        home: Home,
    ) -> Result<KeysPage, OriginError> {
        let response = self.ask(Method::POST, tree::KEYS, asked).await?;
        let page = KeysPage::from_bytes(self.small(response, PAGE_BYTES_MAX).await?, home);
        match page.map_err(|error| self.nonsense(&error))? {
            KeysPage::Leaves(leaves, _) if !ascend(&leaves) => {
                Err(self.nonsense(&"leaves that are not in order"))
            }
            page => Ok(page),
        }
    }

    /// The nodes at all paths that are asked for, in their order, and the bytes that they took.
    pub(crate) async fn nodes(
        &self,
        asked: &Asked<Path>,
        home: Home,
    ) -> Result<(Vec<Node>, usize), OriginError> {
        let response = self.send(Method::POST, tree::NODES, asked.to_bytes()).await?;
        let (mut body, mut frames) = (response.into_body(), NodeFrames::new(home));
        let (mut nodes, mut bytes) = (Vec::with_capacity(asked.count()), 0);
        while let Some(piece) = self.piece(&mut body).await? {
            bytes += piece.len();
            frames.push(&piece);
            while let Some(node) = frames.next_node().map_err(|error| self.nonsense(&error))? {
                nodes.push(node);
            }
        }
        if nodes.len() != asked.count() {
            let what = format!("{} nodes of {}", nodes.len(), asked.count());
            return Err(self.nonsense(&what));
        }
        let paths = asked.scopes.iter().flat_map(|(_, paths)| paths);
        match paths.zip(&nodes).find(|(path, node)| !fits(**path, node)) {
            Some((path, _)) => Err(self.nonsense(&format!("leaves that are not below `{path}`"))),
            None => Ok((nodes, bytes)),
        }
    }

    /// The states of all entities that are asked for, as they come, in their order.
    pub(crate) async fn states(&self, asked: &Asked<EntityHash>) -> Result<States, OriginError> {
        let response = self.send(Method::POST, tree::STATES, asked.to_bytes()).await?;
        Ok(States { origin: self.clone(), body: response.into_body(), frames: Frames::default() })
    }
}

/// Whether a node can be one of this branch: what is wrong here would look like something to mend.
fn fits(path: Path, node: &Node) -> bool {
    match node {
        Node::Split(_) => true,
        Node::Leaves(leaves) => ascend(leaves) && leaves.iter().all(|leaf| path.holds(leaf.entity)),
    }
}

fn ascend(leaves: &[Leaf]) -> bool {
    leaves.is_sorted_by(|one, next| one.entity < next.entity)
}

/// States on their way.
pub(crate) struct States {
    origin: Origin,
    body: Incoming,
    frames: Frames,
}

impl States {
    /// The next event; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<SealedEvent>, OriginError> {
        let origin = &self.origin;
        loop {
            let held = self.frames.rest();
            match self.frames.next_frame().map_err(|error| origin.nonsense(&error))? {
                Some(Frame::Event(event)) => {
                    origin.meter.came(held - self.frames.rest());
                    return Ok(Some(event));
                }
                Some(Frame::Heartbeat(_)) => {
                    return Err(origin.nonsense(&"a heartbeat among states"));
                }
                None => {}
            }
            match origin.uncounted(&mut self.body).await? {
                Some(piece) => self.frames.push(&piece),
                None if self.frames.rest() > 0 => {
                    return Err(origin.nonsense(&"a stream that ends within a state"));
                }
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Digest, Epoch, Hlc, Partition, Position, Seq, SiteId, Version};

    use super::*;

    #[test]
    fn leaves_of_another_branch_or_out_of_order_are_no_answer() {
        let leaf = |first: u8| {
            let (site, epoch, partition) = (SiteId([1; 16]), Epoch(1), Partition(0));
            Leaf {
                entity: EntityHash(Digest([first; 32])),
                version: Version { hlc: Hlc(1), site },
                content: Digest::ZERO,
                deleted: true,
                position: Position { site, epoch, partition, seq: Seq(1) },
                attributes: None,
            }
        };
        let path = Path::ROOT.branch(1).unwrap();
        let of =
            |leaves: &[u8]| fits(path, &Node::Leaves(leaves.iter().copied().map(leaf).collect()));
        assert!(of(&[]) && of(&[0x10, 0x1f]));
        assert!(!of(&[0x20]) && !of(&[0x12, 0x11]) && !of(&[0x11, 0x11]));
    }
}
