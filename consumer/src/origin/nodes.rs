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
    /// The branch here, its sketch, and what the origin has told of its own, a level above.
    /// Without, all of it is asked for.
    pub(crate) here: Option<(&'a Node, &'a Sketch, Summary)>,
}

impl Sought<'_> {
    fn sketched(&self) -> (Scope, Sketched) {
        let here = self.here.map_or(Sketch::NOTHING, |(_, sketch, _)| sketch.clone());
        (self.scope.clone(), Sketched { path: self.path, here })
    }

    fn node(&self, rest: Rest) -> Option<Node> {
        match self.here {
            Some((here, _, told)) => rest.onto(here, &told),
            None => rest.whole(),
        }
    }
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
        let (mut nodes, mut bytes) = self.put_together(at, sought).await?;
        let again = sought.iter().zip(&nodes).filter(|(_, node)| node.is_none());
        let again: Vec<_> = again.map(|(it, _)| Sought { here: None, ..*it }).collect();
        if !again.is_empty() {
            tracing::debug!(branches = again.len(), "branches do not add up; they come whole");
            let (whole, more) = self.put_together(at, &again).await?;
            let missing = nodes.iter_mut().filter(|node| node.is_none());
            missing.zip(whole).for_each(|(node, whole)| *node = whole);
            bytes += more;
        }
        let nodes: Option<Vec<_>> = nodes.into_iter().collect();
        let nodes = nodes.ok_or_else(|| self.nonsense(&"a part of what was to be whole"))?;
        Ok((nodes, bytes))
    }

    /// Each of them if it adds up, put together as it comes: there is much to hash.
    async fn put_together(
        &self,
        (cut, home): (u64, Home),
        sought: &[Sought<'_>],
    ) -> Result<(Vec<Option<Node>>, usize), OriginError> {
        let asked = Asked::new(cut, sought.iter().map(Sought::sketched)).to_bytes();
        let mut bytes = asked.len();
        let mut body = self.send(Method::POST, tree::NODES, asked).await?.into_body();
        let (mut frames, mut nodes) = (RestFrames::new(home), Vec::with_capacity(sought.len()));
        while let Some(piece) = self.piece(&mut body).await? {
            bytes += piece.len();
            frames.push(&piece);
            while let Some(rest) = frames.next_rest().map_err(|error| self.nonsense(&error))? {
                let Some(it) = sought.get(nodes.len()) else {
                    return Err(self.nonsense(&"more branches than were asked for"));
                };
                if !fits(it.path, &rest) {
                    let what = format!("leaves that are not below `{}`", it.path);
                    return Err(self.nonsense(&what));
                }
                nodes.push(it.node(rest));
            }
        }
        if nodes.len() < sought.len() {
            let what = format!("{} branches of {}", nodes.len(), sought.len());
            return Err(self.nonsense(&what));
        }
        Ok((nodes, bytes))
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
