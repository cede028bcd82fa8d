//! The origin's branches, of which only what this site lacks crosses the link.

use bus::wire::tree::{self, Asked, Home, RestFrames, Sketched};
use http::Method;
use model::tree::{Node, Path, Rest, Scope, Sketch, Summary};

use super::{Origin, OriginError, tree::ascend};

/// A branch of the origin that is to be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) path: Path,
    /// The branch here, and what the origin has told of its own, a level above. Without, all of it
    /// is asked for.
    pub(crate) here: Option<(&'a Node, Summary)>,
}

impl Origin {
    /// The nodes of all branches that are sought, in their order, and the bytes that it took.
    ///
    /// What came of a sketch and does not add up is asked for again, whole: something in it looks
    /// like what is here and is not, or the origin's tree does not say what it holds.
    pub(crate) async fn nodes(
        &self,
        at: (u64, Home),
        sought: &[Sought<'_>],
    ) -> Result<(Vec<Node>, usize), OriginError> {
        let (rests, mut bytes) = self.rests(at, sought).await?;
        let onto = |(rest, it): (Rest, &Sought<'_>)| match &it.here {
            Some((here, told)) => rest.onto(here, told),
            None => rest.whole(),
        };
        let mut nodes: Vec<_> = rests.into_iter().zip(sought).map(onto).collect();
        let again = sought.iter().zip(&nodes).filter(|(_, node)| node.is_none());
        let again: Vec<_> = again.map(|(it, _)| Sought { here: None, ..*it }).collect();
        if !again.is_empty() {
            tracing::debug!(branches = again.len(), "they are asked for whole");
            let (rests, more) = self.rests(at, &again).await?;
            let missing = nodes.iter_mut().filter(|node| node.is_none());
            missing.zip(rests).for_each(|(node, rest)| *node = rest.whole());
            bytes += more;
        }
        let nodes: Option<Vec<_>> = nodes.into_iter().collect();
        nodes
            .map(|nodes| (nodes, bytes))
            .ok_or_else(|| self.nonsense(&"parts of what was to be whole"))
    }

    /// What this site lacks of them.
    async fn rests(
        &self,
        (cut, home): (u64, Home),
        sought: &[Sought<'_>],
    ) -> Result<(Vec<Rest>, usize), OriginError> {
        let sketched = sought.iter().map(|it| {
            let here = it.here.map_or(Sketch::NOTHING, |(here, _)| Sketch::of(here));
            (it.scope.clone(), Sketched { path: it.path, here })
        });
        let asked = Asked::new(cut, sketched).to_bytes();
        let mut bytes = asked.len();
        let mut body = self.send(Method::POST, tree::NODES, asked).await?.into_body();
        let (mut frames, mut rests) = (RestFrames::new(home), Vec::with_capacity(sought.len()));
        while let Some(piece) = self.piece(&mut body).await? {
            bytes += piece.len();
            frames.push(&piece);
            while let Some(rest) = frames.next_rest().map_err(|error| self.nonsense(&error))? {
                rests.push(rest);
            }
        }
        if rests.len() != sought.len() {
            let what = format!("{} branches of {}", rests.len(), sought.len());
            return Err(self.nonsense(&what));
        }
        match sought.iter().zip(&rests).find(|(it, rest)| !fits(it.path, rest)) {
            Some((it, _)) => {
                Err(self.nonsense(&format!("leaves that are not below `{}`", it.path)))
            }
            None => Ok((rests, bytes)),
        }
    }
}

/// Whether this can be of a branch: what is wrong here would look like something to mend.
fn fits(path: Path, rest: &Rest) -> bool {
    match rest {
        Rest::Whole(Node::Split(_)) | Rest::Split { .. } => true,
        Rest::Whole(Node::Leaves(leaves)) | Rest::Leaves { others: leaves, .. } => {
            ascend(leaves) && leaves.iter().all(|leaf| path.holds(leaf.entity))
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Digest, EntityHash, Epoch, Hlc, Partition, Position, Seq, SiteId, Version, tree::Leaf,
    };

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
        let of = |leaves: &[u8]| {
            let leaves: Vec<_> = leaves.iter().copied().map(leaf).collect();
            let others = Rest::Leaves { same: 1, others: leaves.clone() };
            let whole = fits(path, &Rest::Whole(Node::Leaves(leaves)));
            assert_eq!(fits(path, &others), whole);
            whole
        };
        assert!(of(&[]) && of(&[0x10, 0x1f]));
        assert!(!of(&[0x20]) && !of(&[0x12, 0x11]) && !of(&[0x11, 0x11]));
    }
}
