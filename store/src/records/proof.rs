//! That two sites held the same (law 9). Key: `proof/` origin, then `e` for buckets and users, or
//! `b` bucket.

use bytes::Bytes;
use model::{
    BucketName, Millis, SiteId,
    tree::{Cut, Scope, Summary},
};
use serde::{Deserialize, Serialize};

use crate::engine::Table;

/// The newest proof of one scope.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredProof {
    /// What both held.
    pub root: Summary,
    /// Of whom, and at which positions.
    pub cut: Cut,
    pub at: Millis,
}

super::record!(StoredProof, Table::Meta, "proof", format 1);

impl StoredProof {
    pub(crate) const PREFIX: &'static [u8] = b"proof/";

    /// What the keys of one origin's proofs begin with.
    pub(crate) fn prefix(origin: SiteId) -> Bytes {
        super::join(&[Self::PREFIX, &origin.0])
    }

    pub(crate) fn key(origin: SiteId, scope: &Scope) -> Bytes {
        let scope: &[&[u8]] = match scope {
            Scope::Entities => &[b"e"],
            Scope::Bucket(bucket) => &[b"b", bucket.as_str().as_bytes()],
        };
        super::join(&[&Self::prefix(origin), &scope.concat()])
    }

    pub(crate) fn scope(key: &[u8]) -> Option<Scope> {
        let (_origin, scope) = key.strip_prefix(Self::PREFIX)?.split_first_chunk::<16>()?;
        match scope.split_first()? {
            (b'e', []) => Some(Scope::Entities),
            (b'b', bucket) => {
                let bucket = String::from_utf8(bucket.to_vec()).ok()?;
                Some(Scope::Bucket(BucketName::try_from(bucket).ok()?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Digest, Epoch, Partition, Seq};

    use super::*;
    use crate::records::Record;

    #[test]
    fn a_scope_is_found_again_in_its_key() {
        let origin = SiteId([7; 16]);
        let photos = Scope::Bucket(BucketName::try_from("photos".to_owned()).unwrap());
        for scope in [Scope::Entities, photos] {
            assert_eq!(StoredProof::scope(&StoredProof::key(origin, &scope)), Some(scope));
        }
        assert_eq!(&StoredProof::key(origin, &Scope::Entities)[..6], b"proof/");
        assert_eq!(StoredProof::scope(b"proof/short"), None);
    }

    #[test]
    fn a_proof_of_this_release_stays_readable() {
        let cut = Cut {
            site: SiteId([7; 16]),
            epoch: Epoch(2),
            written: [(Partition(1), Seq(3))].into(),
            trimmed: [(Partition(1), Seq(1))].into(),
        };
        let root = Summary { leaves: 4, digest: Digest([8; 32]) };
        let proof = StoredProof { root, cut, at: Millis(5) };
        let mut golden = vec![1, 4];
        golden.extend([8; 32]);
        golden.extend([7; 16]);
        golden.extend([2, 1, 1, 3, 1, 1, 1, 5]);
        assert_eq!(proof.encode(), golden);
        assert_eq!(StoredProof::decode(&golden.into()).unwrap(), proof);
    }
}
