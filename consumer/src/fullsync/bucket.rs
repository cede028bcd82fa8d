//! One bucket alone: the bucket itself and who owns it are compared too. They are leaves of the tree
//! over buckets and users, each asked for at its own place.

use std::sync::Arc;

use model::{
    BucketName, Change, Entity, EntityHash, UserId,
    tree::{Leaf, Node, Path, Scope, TreeError},
};

use super::{
    comparison::{Comparison, Stop},
    round::Round,
    walker::differences,
};
use crate::origin::Sought;

impl Comparison<'_> {
    /// Compares a bucket and its owner, and mends what differs. Whose it is, this site says: of a
    /// bucket that is not here yet, the next round knows.
    pub(crate) async fn compare_bucket(
        &self,
        round: &Round,
        bucket: &BucketName,
    ) -> Result<(), Stop> {
        let (view, of) = (Arc::clone(&round.here.view), Entity::Bucket(bucket.clone()).hash());
        // A record that cannot be read has no owner, and is for deep mode to find.
        let change = ops::blocking(move || view.change(&Scope::Entities, of)).await;
        let owner = change.ok().and_then(|events| owner(events.into_iter().map(|it| it.change)));
        let owner = owner.map(|owner| Entity::User(owner).hash());
        let entities: Vec<EntityHash> = [of].into_iter().chain(owner).collect();
        let (theirs, ours) = (self.leaves_there(round, &entities), leaves_here(round, &entities));
        let (theirs, ours) = futures::join!(theirs, ours);
        let at = (&round.cut, &round.trimmed);
        let scope = Arc::new(Scope::Entities);
        let (compared, found) = differences(at, &scope, &theirs?, &ours?);
        self.tell(|tally| tally.progress.compared += compared);
        self.mend(round, found).await
    }

    async fn leaves_there(
        &self,
        round: &Round,
        entities: &[EntityHash],
    ) -> Result<Vec<Leaf>, Stop> {
        let (scope, here) = (&Scope::Entities, None);
        let sought = entities.iter().map(|&entity| Sought { scope, path: Path::to(entity), here });
        let sought: Vec<_> = sought.collect();
        let throttle = &self.parts.throttle;
        let turn = throttle.turn().await;
        let (nodes, bytes) = self.origin.nodes((round.made.id, round.made.home()), &sought).await?;
        drop(turn);
        throttle.spend(bytes).await;
        let leaves = nodes.into_iter().flat_map(|node| match node {
            Node::Leaves(leaves) => leaves,
            // No single place is split.
            Node::Split(_) => Vec::new(),
        });
        Ok(sorted(leaves.collect()))
    }
}

async fn leaves_here(round: &Round, entities: &[EntityHash]) -> Result<Vec<Leaf>, TreeError> {
    let (view, entities) = (Arc::clone(&round.here.view), entities.to_vec());
    let leaves = ops::blocking(move || {
        let leaf = |entity| view.leaf(&Scope::Entities, entity).transpose();
        entities.into_iter().filter_map(leaf).collect::<Result<Vec<_>, _>>()
    });
    leaves.await.map(sorted)
}

fn sorted(mut leaves: Vec<Leaf>) -> Vec<Leaf> {
    leaves.sort_by_key(|leaf| leaf.entity);
    leaves
}

fn owner(mut changes: impl Iterator<Item = Change>) -> Option<UserId> {
    changes.find_map(|change| match change {
        Change::BucketPut { state, .. } => Some(state.owner),
        _ => None,
    })
}
