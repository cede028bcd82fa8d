//! The folder: brings nodes up to what leaves say, in slices, from a snapshot each.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    fold::{self, Told},
    rows::{self, ScopeRows},
};
use crate::{
    committer::{CommitError, Committer},
    engine::{EngineError, Snapshot},
    errors::{KeepError, ReadError},
    records::{MarksRecord, NodeRecord, Record},
    section::Section,
    store::Store,
};

/// Time between the beginnings of two folds, at the least. Under load a fold reads most of the leaves,
/// however many of them changed: one in five seconds costs a fifth of one in each.
const INTERVAL: Duration = Duration::from_secs(5);
/// And at the most, so that a comparison never has much left to fold.
const INTERVAL_MAX: Duration = Duration::from_mins(1);
/// A fold is followed by so many times its own time without one: under load the folder takes a
/// twentieth of a core, and each of its folds does more for its money.
const REST: u32 = 19;

/// How much is folded at once.
#[derive(Clone, Copy)]
pub(super) struct Slice {
    /// Places that are folded from one snapshot, and whose marks are taken away in one commit. Marks
    /// come in the order of commits: the more at once, the more branches do they share.
    pub(super) marks: usize,
    /// Nodes in one commit: 640 bytes each.
    pub(super) nodes: usize,
}

pub(super) const SLICE: Slice = Slice { marks: 16 * 1_024, nodes: 1_024 };

/// Builds the tree if it is not, and then folds whenever there are marks, until cancelled.
///
/// # Errors
/// If the store failed.
pub async fn fold_forever(store: Store, cancelled: CancellationToken) -> Result<(), KeepError> {
    fold_every(INTERVAL, store, cancelled).await
}

pub(super) async fn fold_every(
    interval: Duration,
    store: Store,
    cancelled: CancellationToken,
) -> Result<(), KeepError> {
    let Some(built) = cancelled.run_until_cancelled(store.build_tree()).await else {
        return Ok(());
    };
    built?;
    let mut marked = store.shared.committer.marked();
    loop {
        marked.mark_unchanged();
        let began = Instant::now();
        store.fold_tree().await?;
        let pause = (began.elapsed() * REST).clamp(interval, INTERVAL_MAX);
        if !Committer::marked_again(&mut marked, began + pause, &cancelled).await {
            return Ok(());
        }
    }
}

/// Rows of one commit: nodes, and the keys of the marks that they were folded from.
#[derive(Default)]
pub(super) struct Folded {
    nodes: Vec<(Bytes, Option<Bytes>)>,
    marks: Vec<Bytes>,
}

impl Store {
    /// Folds every mark that there is now. While the tree is being built, which the folder does,
    /// this does nothing.
    ///
    /// # Errors
    /// If the store failed.
    pub async fn fold_tree(&self) -> Result<(), KeepError> {
        self.fold_in(SLICE, usize::MAX).await
    }

    /// Keeps no tree of the objects that are put from here on. For a benchmark of what the tree
    /// costs, and for nothing else: this store is not to be opened again.
    ///
    /// # Errors
    /// If the store failed.
    #[doc(hidden)]
    pub async fn without_tree(&self) -> Result<(), KeepError> {
        let stop = |section: &mut Section<'_>| {
            section.stop_leaves();
            Ok::<_, KeepError>(())
        };
        self.shared.committer.run(stop).await
    }

    /// Folds in slices, and stops after so many commits as if the site had died there.
    pub(super) async fn fold_in(&self, slice: Slice, mut commits: usize) -> Result<(), KeepError> {
        let store = self.clone();
        detached(async move {
            let _folding = store.shared.tree.folding.lock().await;
            if !store.shared.tree.is_built() {
                return Ok(());
            }
            let until = *store.shared.committer.marked().borrow();
            while commits > 0 && store.shared.tree.marks_since() <= until {
                let since = store.shared.tree.marks_since();
                let snapshot = store.shared.engine.snapshot();
                let work =
                    move |told: &mpsc::Sender<Folded>| fold_slice(&snapshot, since, slice, told);
                match store.commit_folded(work, &mut commits).await {
                    Ok(last) => store.shared.tree.folded(last.unwrap_or(until)),
                    Err(_) if commits == 0 => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
        .await
    }

    /// Runs `work` on a thread of its own and commits what it tells, in order, at most so often.
    pub(super) async fn commit_folded<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mpsc::Sender<Folded>) -> Result<T, ReadError> + Send + 'static,
        commits: &mut usize,
    ) -> Result<T, KeepError> {
        let (told, mut folded) = mpsc::channel::<Folded>(1);
        let work = tokio::task::spawn_blocking(move || work(&told));
        while let Some(Folded { nodes, marks }) = folded.recv().await {
            if *commits == 0 {
                // Not committed, so not done, even if it was the last.
                drop(folded);
                return joined(work.await).and(Err(CommitError(None).into()));
            }
            *commits -= 1;
            let commit = self.shared.committer.run(move |section| {
                section.fold(nodes, marks);
                Ok::<_, KeepError>(())
            });
            commit.await?;
        }
        drop(folded);
        joined(work.await)
    }
}

/// Folds the first marks from a number on; returns the number of the last of them.
fn fold_slice(
    snapshot: &Arc<dyn Snapshot>,
    since: u64,
    slice: Slice,
    told: &mpsc::Sender<Folded>,
) -> Result<Option<u64>, ReadError> {
    let marked = rows::marked(&**snapshot, since, slice.marks)?;
    let Some(last) = marked.rows.last().map(|key| MarksRecord::number(key)) else {
        return Ok(None);
    };
    let mut folded = Folded::default();
    for scope in marked.marks.0.keys() {
        let rows = ScopeRows { snapshot: Arc::clone(snapshot), scope: scope.to_vec() };
        let places = marked.marks.of(scope);
        telling(scope, slice, (&mut folded, told), |told| fold::fold(&rows, &places, told))?;
    }
    folded.marks = marked.rows;
    tell(told, folded)?;
    Ok(last)
}

/// Writes the nodes of a scope anew, whatever is kept of them, and takes rows away that no branch
/// leads to.
pub(super) fn regrow(
    rows: &ScopeRows,
    slice: Slice,
    told: &mpsc::Sender<Folded>,
) -> Result<(), ReadError> {
    let mut folded = Folded::default();
    let root = telling(&rows.scope, slice, (&mut folded, told), |told| {
        fold::grow(rows, model::tree::Path::ROOT, told)
    })?;
    let mut strays = rows.strays()?;
    if !root.is_split() {
        strays.push(NodeRecord::key(&rows.scope, model::tree::Path::ROOT));
    }
    folded.nodes.extend(strays.into_iter().map(|key| (key, None)));
    tell(told, folded)
}

/// Gathers the nodes that a fold tells, and passes them on whenever there are enough for a commit.
fn telling<T>(
    scope: &[u8],
    slice: Slice,
    (folded, told): (&mut Folded, &mpsc::Sender<Folded>),
    fold: impl FnOnce(Told<'_>) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    fold(&mut |path, branches| {
        let node = branches.map(|branches| NodeRecord(Box::new(*branches)).encode());
        folded.nodes.push((NodeRecord::key(scope, path), node));
        if folded.nodes.len() >= slice.nodes { tell(told, std::mem::take(folded)) } else { Ok(()) }
    })
}

/// Nobody listens any more: a commit failed, and whoever ran it says why.
fn tell(told: &mpsc::Sender<Folded>, folded: Folded) -> Result<(), ReadError> {
    told.blocking_send(folded).map_err(|_| EngineError::Poisoned.into())
}

/// Runs to its end even if whoever waits for it gives up: a fold's commits must not come after those
/// of the next.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, KeepError>> + Send + 'static,
) -> Result<T, KeepError> {
    joined(tokio::spawn(work).await)
}

pub(super) fn joined<T, E>(
    outcome: Result<Result<T, E>, tokio::task::JoinError>,
) -> Result<T, KeepError>
where
    KeepError: From<E>,
{
    match outcome.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(outcome) => Ok(outcome?),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is shutting down, and the store with it.
        Err(Err(_)) => Err(CommitError(None).into()),
    }
}
