//! The store of this site behind [`Here`].

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use model::{
    Digest, EntityHash, Line, Millis, Position, SiteId, Version,
    progress::Handled,
    tree::{Leaf, Scope},
};
use store::{Step, Store, TreePlace, TreeReport, Why};
use tokio::sync::watch;

use super::{Fix, Here, HereError, HereView, Verified};

/// Records set aside in one commit. Each is looked for among the records of its bucket.
const ASIDE: usize = 16;

#[async_trait]
impl Here for Store {
    fn site(&self) -> SiteId {
        self.identity().site
    }

    fn now(&self) -> Millis {
        Self::now(self)
    }

    fn lines(&self) -> BTreeMap<Line, Handled> {
        let own = self.identity().site;
        let lines = Self::lines(self, |line, progress| (line, progress.handled));
        lines.into_iter().filter(|(line, _)| line.site != own).collect()
    }

    fn lines_changed(&self) -> watch::Receiver<u64> {
        Self::lines_changed(self)
    }

    async fn view(&self) -> Result<HereView, HereError> {
        self.fold_tree().await?;
        let store = self.clone();
        let view = ops::blocking(move || {
            let view = store.tree_view()?;
            Ok::<_, store::ReadError>((view.floors()?, view))
        });
        let (trimmed, view) = view.await?;
        Ok(HereView { view: Arc::new(view), trimmed })
    }

    /// The tree is made to say what the records say, whatever they say now: the comparison finds
    /// what is wrong with them. A record that says nothing any more is set aside.
    async fn verify(&self, from: Option<String>, dry_run: bool) -> Result<Verified, HereError> {
        // What another release wrote of a place leads to the beginning.
        let from = from.and_then(|place| serde_json::from_str::<TreePlace>(&place).ok());
        let (next, TreeReport { counts, differences }) =
            self.verify_tree_from(from, !dry_run).await?;
        let unreadable = differences.into_iter().filter(|it| matches!(it.why, Why::Unreadable(_)));
        let unreadable = unreadable.filter(|_| !dry_run);
        let rotten: Vec<_> = unreadable.map(|it| (it.scope, it.entity)).collect();
        for rotten in rotten.chunks(ASIDE) {
            let steps = rotten.iter().map(|(scope, entity)| aside(scope, *entity));
            self.apply(steps.collect()).await?;
        }
        let place = |place| serde_json::to_string(&place).expect("a place is JSON");
        Ok(Verified { next: next.map(place), differ: counts.differ(), rotten })
    }

    async fn take(&self, fixes: Vec<Fix>) -> Result<(), HereError> {
        self.apply(fixes.into_iter().map(step).collect()).await?;
        Ok(())
    }
}

/// Sets a record aside that cannot be read; of what version it is cannot be told.
fn aside(scope: &Scope, entity: EntityHash) -> Step {
    let site = Version::NONE.site;
    let line = Line { site, epoch: model::Epoch(0), partition: model::Partition(0) };
    let position: Position = line.at(model::Seq::NONE);
    let (version, content) = (Version::NONE, Digest::ZERO);
    let leaf = Leaf { entity, version, content, deleted: false, position, attributes: None };
    Step::Quarantine { scope: scope.clone(), leaf }
}

fn step(fix: Fix) -> Step {
    match fix {
        Fix::Repair { event, cut } => Step::Repair { event, cut },
        Fix::Remove { scope, leaf } => Step::Remove { scope, leaf },
        Fix::Quarantine { scope, leaf } => Step::Quarantine { scope, leaf },
        Fix::Prove { line, up_to } => Step::Prove { line, up_to },
        Fix::Trimmed { line, up_to } => Step::Trimmed { line, up_to },
        Fix::Handle { line, handled } => Step::Handle(line, handled),
    }
}
