//! Requests that name many places: branches, or entities, by scope.
//!
//! Cut (8), how many scopes, and of each its name, how many places, and these.

use bytes::{Bytes, BytesMut};
use model::{
    Digest, EntityHash,
    tree::{Path, Scope, Sketch},
};

use super::{
    BRANCHES_MAX, ENTITIES_MAX,
    code::{
        CodeError, array, count, end, path, put_number, put_path, put_scope, put_sketch, scope,
        sketch,
    },
};

/// What a request may name many of.
pub trait Places: Clone {
    /// How it is called, and how many of it a request names at most.
    const WHAT: (&'static str, usize);

    /// Its bytes.
    fn put(&self, out: &mut BytesMut);

    /// From its bytes.
    ///
    /// # Errors
    /// If they are none.
    fn take(bytes: &mut Bytes) -> Result<Self, CodeError>;
}

/// A branch, and what the asker has of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sketched {
    pub path: Path,
    pub here: Sketch,
}

impl Places for Sketched {
    const WHAT: (&'static str, usize) = ("branches", BRANCHES_MAX);

    fn put(&self, out: &mut BytesMut) {
        put_path(out, self.path);
        put_sketch(out, &self.here);
    }

    fn take(bytes: &mut Bytes) -> Result<Self, CodeError> {
        Ok(Self { path: path(bytes)?, here: sketch(bytes)? })
    }
}

impl Places for EntityHash {
    const WHAT: (&'static str, usize) = ("entities", ENTITIES_MAX);

    fn put(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0.0);
    }

    fn take(bytes: &mut Bytes) -> Result<Self, CodeError> {
        array(bytes, "entity").map(|bytes| Self(Digest(bytes)))
    }
}

/// Many places of a cut, in the order in which they are to be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked<P> {
    pub cut: u64,
    pub scopes: Vec<(Scope, Vec<P>)>,
}

impl<P: Places> Asked<P> {
    /// Places with their scopes; neighbours of one scope name it once.
    pub fn new(cut: u64, places: impl IntoIterator<Item = (Scope, P)>) -> Self {
        let mut scopes: Vec<(Scope, Vec<P>)> = Vec::new();
        for (scope, place) in places {
            match scopes.last_mut() {
                Some((last, places)) if *last == scope => places.push(place),
                _ => scopes.push((scope, vec![place])),
            }
        }
        Self { cut, scopes }
    }

    /// How many places.
    #[must_use]
    pub fn count(&self) -> usize {
        self.scopes.iter().map(|(_, places)| places.len()).sum()
    }

    /// The request's body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.extend_from_slice(&self.cut.to_be_bytes());
        put_number(&mut out, self.scopes.len() as u64);
        for (scope, places) in &self.scopes {
            put_scope(&mut out, scope);
            put_number(&mut out, places.len() as u64);
            places.iter().for_each(|place| place.put(&mut out));
        }
        out.freeze()
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// If it is none, or names more than it may.
    pub fn from_bytes(mut bytes: Bytes) -> Result<Self, CodeError> {
        let (what, most) = P::WHAT;
        let cut = u64::from_be_bytes(array(&mut bytes, "cut")?);
        let (mut scopes, mut left) = (Vec::new(), most);
        for _ in 0..count(&mut bytes, "scopes", most)? {
            let scope = scope(&mut bytes)?;
            let named = count(&mut bytes, what, left)?;
            left -= named;
            let places: Result<Vec<_>, _> = (0..named).map(|_| P::take(&mut bytes)).collect();
            scopes.push((scope, places?));
        }
        end(&bytes)?;
        Ok(Self { cut, scopes })
    }
}
