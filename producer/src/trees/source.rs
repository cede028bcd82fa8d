//! The trees of a store.

use std::sync::Arc;

use async_trait::async_trait;
use bus::wire::tree::{Building, End};
use model::{Seq, tree::TreeError};
use store::{KeepError, ReadError, Store, TreeView};

use super::{PinError, Pinned, TreeSource};

#[async_trait]
impl TreeSource for Store {
    async fn pin(&self) -> Result<Pinned, PinError> {
        let failed = |error: KeepError| TreeError(Box::new(error));
        self.fold_tree().await.map_err(failed)?;
        let store = self.clone();
        let pinned = ops::blocking(move || {
            let view = store.tree_view()?;
            Ok::<_, ReadError>((ends(&store, &view)?, view))
        });
        match pinned.await {
            Ok((ends, view)) => Ok(Pinned { view: Arc::new(view), ends }),
            Err(ReadError::Tree(store::TreeError::Building { done, of })) => {
                Err(PinError::Building(Building { done, of }))
            }
            Err(error) => Err(TreeError(Box::new(error)).into()),
        }
    }
}

fn ends(store: &Store, view: &TreeView) -> Result<Vec<End>, ReadError> {
    let (identity, floors) = (store.identity(), view.floors()?);
    let ends = identity.partitions.iter().zip(view.written().iter()).map(|(partition, written)| {
        let floor = floors.get(&identity.line(partition)).copied();
        End {
            partition,
            seq: written.seq,
            digest: written.digest,
            volume: written.volume,
            time: written.hlc.millis(),
            trimmed: floor.unwrap_or(Seq::NONE),
            history: written.trimmed,
        }
    });
    Ok(ends.collect())
}
