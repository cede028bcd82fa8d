//! Answers that come by the page: roots and keys.

use bytes::{BufMut, Bytes, BytesMut};
use model::{
    ObjectKey, Slot, SlotName, Version,
    tree::{Leaf, Scope, Summary},
};

use super::{
    KEYS_MAX, KeysEnd, ROOTS_MAX,
    code::{
        CodeError, Home, array, count, end, put_number, put_scope, put_summary, scope, summary,
        text,
    },
};

/// Of the id of a version.
const ID_BYTES_MAX: usize = 2 * Version::LEN;

/// Some roots, in the order of their scopes: whether there are more (1), how many, and of each
/// scope and summary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootsPage {
    pub more: bool,
    pub roots: Vec<(Scope, Summary)>,
}

impl RootsPage {
    /// The answer's body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(self.more.into());
        put_number(&mut out, self.roots.len() as u64);
        for (scope, root) in &self.roots {
            put_scope(&mut out, scope);
            put_summary(&mut out, root);
        }
        out.freeze()
    }

    /// Reads an answer's body.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_bytes(mut bytes: Bytes) -> Result<Self, CodeError> {
        let more = flag(&mut bytes)?;
        let roots = count(&mut bytes, "roots", ROOTS_MAX)?;
        let root = |_| Ok((scope(&mut bytes)?, summary(&mut bytes)?));
        let roots: Result<Vec<_>, CodeError> = (0..roots).map(root).collect();
        let roots = roots?;
        end(&bytes)?;
        Ok(Self { more, roots })
    }
}

/// What a site has in a run of keys: nothing else than the asker (0), or its leaves (1), how many
/// and these in the order of entities, and behind them the slot where it had to stop (the length of
/// its key and it, the length of its id and it), whose key is none if it did not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeysPage {
    Same,
    Leaves(Vec<Leaf>, KeysEnd),
}

impl KeysPage {
    /// The answer's body.
    #[must_use]
    pub fn to_bytes(&self, home: Home) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Same => out.put_u8(0),
            Self::Leaves(leaves, stopped) => {
                out.put_u8(1);
                put_number(&mut out, leaves.len() as u64);
                leaves.iter().for_each(|leaf| home.put_leaf(&mut out, leaf));
                put_text(&mut out, stopped.as_ref().map_or("", |stopped| stopped.key.as_str()));
                let id = stopped.as_ref().map(|stopped| stopped.slot.to_string());
                put_text(&mut out, &id.unwrap_or_default());
            }
        }
        out.freeze()
    }

    /// Reads an answer's body.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_bytes(mut bytes: Bytes, home: Home) -> Result<Self, CodeError> {
        if !flag(&mut bytes)? {
            return end(&bytes).map(|()| Self::Same);
        }
        let leaves = count(&mut bytes, "leaves", KEYS_MAX)?;
        let leaves: Result<Vec<_>, _> = (0..leaves).map(|_| home.leaf(&mut bytes)).collect();
        let leaves = leaves?;
        let length = count(&mut bytes, "bytes of a key", 1_024)?;
        let key = ObjectKey::try_from(text(&mut bytes, length)?).ok();
        let length = count(&mut bytes, "bytes of an id", ID_BYTES_MAX)?;
        let slot: Option<Slot> = text(&mut bytes, length)?.parse().ok();
        end(&bytes)?;
        Ok(Self::Leaves(leaves, key.zip(slot).map(|(key, slot)| SlotName { key, slot })))
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_number(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}

fn flag(bytes: &mut Bytes) -> Result<bool, CodeError> {
    match array(bytes, "page")? {
        [0] => Ok(false),
        [1] => Ok(true),
        [found] => Err(CodeError::Wrong { what: "page", found: found.into() }),
    }
}
