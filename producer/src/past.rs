//! Law 13: no site lies about its past. What a peer or the log says of this site's history is
//! compared with history itself.

use bus::wire::Claim;
use model::{Digest, Epoch, Partition, Seq};
use store::{ReadError, Refusal, Store};

/// How somebody else's knowledge of this site's history does not fit it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dispute {
    #[error("{who} has partition {partition} up to {theirs}, this site has written only {ours}")]
    Ahead { who: String, partition: u16, theirs: Seq, ours: Seq },
    #[error("{who} has another event at {seq} of partition {partition} than this site")]
    Different { who: String, partition: u16, seq: Seq },
    #[error("{who} knows epoch {theirs} of this site, which is in epoch {ours}")]
    LaterEpoch { who: String, theirs: u64, ours: u64 },
}

/// What this site has where the claim points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Own {
    pub(crate) epoch: Epoch,
    pub(crate) written: Seq,
    /// Digest at the claimed seq; `None` if history no longer holds it.
    pub(crate) digest: Option<Digest>,
}

/// The rule. A claim about a past epoch is fine: the epoch was opened because of it.
pub(crate) fn judge(who: &str, claim: &Claim, own: &Own) -> Result<(), Dispute> {
    let who = who.to_owned();
    let Claim { epoch, partition: Partition(partition), seq, digest } = *claim;
    if epoch > own.epoch {
        return Err(Dispute::LaterEpoch { who, theirs: epoch.0, ours: own.epoch.0 });
    }
    if epoch < own.epoch {
        return Ok(());
    }
    if seq > own.written {
        return Err(Dispute::Ahead { who, partition, theirs: seq, ours: own.written });
    }
    match own.digest {
        Some(held) if held != digest => Err(Dispute::Different { who, partition, seq }),
        _ => Ok(()),
    }
}

/// Compares claims with history. On a dispute the store refuses clients' writes from then on,
/// and says which command opens a new epoch.
///
/// # Errors
/// If the store cannot be read.
pub fn compare(store: &Store, who: &str, claims: &[Claim]) -> Result<Option<Dispute>, ReadError> {
    let epoch = store.identity().epoch;
    let partitions = store.identity().partitions.get();
    for claim in claims.iter().filter(|claim| claim.partition.0 < partitions) {
        let at = (claim.partition, claim.seq);
        let written = store.written().borrow()[usize::from(claim.partition.0)].seq;
        let own = Own { epoch, written, digest: store.digest_at(epoch, at)? };
        if let Err(dispute) = judge(who, claim, &own) {
            let why = format!(
                "{dispute}; this looks like a restored or cloned disk: stop the site, run \
                 `towline store new-epoch`, and start it again"
            );
            if !matches!(store.refusal(), Some(Refusal::Disputed { .. })) {
                tracing::error!(%why, "history is disputed, writes are refused");
            }
            store.refuse(Refusal::Disputed { why });
            return Ok(Some(dispute));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_13_a_claim_beyond_or_beside_history_is_disputed() {
        let digest = Digest::of(b"event");
        let own = Own { epoch: Epoch(5), written: Seq(10), digest: Some(digest) };
        let claim = |epoch, seq, digest| Claim {
            epoch: Epoch(epoch),
            partition: Partition(3),
            seq: Seq(seq),
            digest,
        };
        let judge = |claim: Claim, own: &Own| judge("site `west`", &claim, own);
        assert_eq!(judge(claim(5, 10, digest), &own), Ok(()));
        assert!(matches!(judge(claim(5, 11, digest), &own), Err(Dispute::Ahead { .. })));
        assert!(matches!(judge(claim(6, 1, digest), &own), Err(Dispute::LaterEpoch { .. })));
        let other = Digest::of(b"other");
        assert!(matches!(judge(claim(5, 10, other), &own), Err(Dispute::Different { .. })));
        assert_eq!(judge(claim(4, 99, other), &own), Ok(()), "that is what the epoch is for");
        let trimmed = Own { digest: None, ..own };
        assert_eq!(judge(claim(5, 2, other), &trimmed), Ok(()), "history no longer tells");
    }
}
