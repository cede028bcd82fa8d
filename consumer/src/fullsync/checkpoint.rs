//! Where a deep full sync goes on that was broken off: what it has read again is not read again.
//!
//! It is of one job, and kept with it every few seconds. A dry run has none: what it lists must be
//! all there is.

use std::collections::BTreeSet;

use bytes::Bytes;
use model::{BlockHash, EntityHash, tree::Scope};
use serde::{Deserialize, Serialize};

/// Entities that are kept by name; more of them count as missing.
const ROTTEN_MAX: usize = 10_000;

/// How far it has come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Checkpoint {
    pub(crate) records: Stand<String>,
    /// Whose records could not be read, and were set aside.
    pub(crate) rotten: BTreeSet<(Scope, EntityHash)>,
    /// Of the blocks here; how far, the store keeps over jobs.
    pub(crate) blocks: Stand<()>,
    pub(crate) origin_blocks: Stand<BlockHash>,
}

/// How far one part has come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stand<T> {
    #[default]
    Begins,
    At(T),
    Done,
}

impl<T> Stand<T> {
    /// Behind a step, which tells where the next one goes on, if there is one.
    pub(crate) fn behind(next: Option<T>) -> Self {
        next.map_or(Self::Done, Self::At)
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Where the next step goes on; `None`: at the beginning.
    pub(crate) fn place(&self) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::At(place) => Some(place.clone()),
            Self::Begins | Self::Done => None,
        }
    }
}

impl Checkpoint {
    /// What a run before left; one of another release is begun anew.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("a checkpoint has only what JSON can hold").into()
    }

    /// Takes note of records that were set aside.
    pub(crate) fn set_aside(&mut self, rotten: Vec<(Scope, EntityHash)>) {
        let room = ROTTEN_MAX.saturating_sub(self.rotten.len());
        self.rotten.extend(rotten.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_again_and_one_that_cannot_be_begins_anew() {
        let mut checkpoint = Checkpoint {
            records: Stand::At("here".to_owned()),
            blocks: Stand::Done,
            ..Checkpoint::default()
        };
        let entity = EntityHash(model::Digest::of(b"rotten"));
        checkpoint.set_aside(vec![(Scope::Entities, entity); 2]);
        assert_eq!(checkpoint.rotten.len(), 1);
        assert_eq!(Checkpoint::from_bytes(&checkpoint.to_bytes()), checkpoint);
        for other in [&b""[..], b"block 17", b"{}", br#"{"records":7}"#] {
            assert_eq!(Checkpoint::from_bytes(other), Checkpoint::default());
        }
    }

    #[test]
    fn no_more_names_are_kept_than_fit_beside_a_job() {
        let of = |n: usize| (Scope::Entities, EntityHash(model::Digest::of(&n.to_be_bytes())));
        let mut checkpoint = Checkpoint::default();
        checkpoint.set_aside((0..ROTTEN_MAX + 9).map(of).collect());
        checkpoint.set_aside(vec![of(usize::MAX)]);
        assert_eq!(checkpoint.rotten.len(), ROTTEN_MAX);
    }
}
