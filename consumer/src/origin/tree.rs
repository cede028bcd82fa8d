//! The origin's hash trees, as full sync asks for them.

use std::sync::Arc;

use bus::wire::{
    self, ScrubAsked, ScrubPage,
    tree::{
        self, Asked, CutAsked, CutMade, Home, KeysAsked, KeysPage, RootsAsked, RootsDigest,
        RootsPage, RootsWhat, StateFrames,
    },
};
use bytes::Bytes;
use http::Method;
use hyper::body::Incoming;
use model::{
    BlockHash, EntityHash,
    tree::{Leaf, Scope},
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

    /// The states of all entities that are asked for, as they come, in their order.
    pub(crate) async fn states(&self, asked: &Asked<EntityHash>) -> Result<States, OriginError> {
        let response = self.send(Method::POST, tree::STATES, asked.to_bytes()).await?;
        Ok(States {
            origin: self.clone(),
            body: response.into_body(),
            frames: StateFrames::default(),
        })
    }
}

pub(super) fn ascend(leaves: &[Leaf]) -> bool {
    leaves.is_sorted_by(|one, next| one.entity < next.entity)
}

/// States on their way.
pub(crate) struct States {
    origin: Origin,
    body: Incoming,
    frames: StateFrames,
}

impl States {
    /// The sealed event of the next state; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, OriginError> {
        let origin = &self.origin;
        loop {
            let held = self.frames.rest();
            let state = self.frames.next_state().map_err(|error| origin.nonsense(&error))?;
            if state.is_some() {
                origin.meter.came(held - self.frames.rest());
                return Ok(state);
            }
            match origin.uncounted(&mut self.body).await? {
                Some(piece) => self.frames.push(&piece),
                None if held > 0 => {
                    return Err(origin.nonsense(&"a stream that ends within a state"));
                }
                None => return Ok(None),
            }
        }
    }
}
