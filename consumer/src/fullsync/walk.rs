//! Carries out what the walker says.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use model::tree::{Node, Scope, Sketch, Summary, TreeError, View};
use tokio::time::Instant;

use super::{
    Phase,
    comparison::{Comparison, Stop},
    round::Round,
    walker::{Effect, Found, Input, Place, Walker},
};
use crate::origin::Sought;

type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, Result<Input, Stop>>>;

impl Comparison<'_> {
    /// Compares trees and mends what differs, to the end.
    pub(crate) async fn walk(
        &self,
        round: &Round,
        scopes: Vec<(Scope, Summary, Summary)>,
    ) -> Result<(), Stop> {
        if scopes.is_empty() {
            return Ok(());
        }
        self.phase(Phase::Comparing);
        let limits = self.parts.options.walk;
        let mut walker = Walker::new(limits, round.cut.clone(), round.trimmed.clone());
        let mut under_way = UnderWay::new();
        let mut input = Input::Begin(scopes);
        loop {
            for effect in walker.step(input) {
                match effect {
                    Effect::Look { id, places } => {
                        under_way.push(Box::pin(self.look(round, id, places)));
                    }
                    Effect::Mend { id, found } => {
                        under_way.push(Box::pin(self.mend_batch(round, id, found)));
                    }
                    Effect::Count { compared, .. } => {
                        self.tell(|tally| tally.progress.compared += compared);
                    }
                    Effect::Done => return Ok(()),
                }
            }
            let Some(done) = under_way.next().await else { return Ok(()) };
            input = match done {
                Ok(done) => done,
                Err(stop) => {
                    // What else is under way may still mend something, and is not to be lost.
                    while under_way.next().await.is_some() {}
                    return Err(stop);
                }
            };
        }
    }

    async fn mend_batch(&self, round: &Round, id: u64, found: Vec<Found>) -> Result<Input, Stop> {
        self.mend(round, found).await?;
        Ok(Input::Mended { id })
    }

    /// Reads branches: this site's from its view, and then of the origin's, over the link, what this
    /// site does not have.
    async fn look(&self, round: &Round, id: u64, places: Vec<Place>) -> Result<Input, Stop> {
        let (view, at) = (Arc::clone(&round.here.view), places.clone());
        let ours = ops::blocking(move || our_branches(&*view, &at)).await?;
        let (theirs, took) = self.their_nodes(round, &places, &ours).await?;
        let mut theirs = theirs.into_iter();
        let source = places.iter().map(|place| place.source.and_then(|_| theirs.next()));
        let here = ours.into_iter().map(|ours| ours.map(|(node, _)| node));
        let nodes = source.zip(here).collect();
        Ok(Input::Looked { id, nodes, took })
    }

    async fn their_nodes(
        &self,
        round: &Round,
        places: &[Place],
        ours: &[Option<(Node, Sketch)>],
    ) -> Result<(Vec<Node>, Duration), Stop> {
        let sought = places.iter().zip(ours).filter_map(|(place, here)| {
            place.source.map(|told| {
                let here = here.as_ref().map(|(node, sketch)| (node, sketch, told));
                Sought { scope: &place.scope, path: place.path, here }
            })
        });
        let sought: Vec<_> = sought.collect();
        if sought.is_empty() {
            return Ok((Vec::new(), Duration::ZERO));
        }
        let throttle = &self.parts.throttle;
        let _turn = throttle.turn().await;
        let began = Instant::now();
        let (nodes, bytes) = self.origin.nodes((round.made.id, round.made.home()), &sought).await?;
        let took = began.elapsed();
        throttle.spend(bytes).await;
        self.tell(|tally| tally.alive = Instant::now());
        Ok((nodes, took))
    }
}

/// With a sketch of each for the origin, if it is asked too.
fn our_branches(
    view: &dyn View,
    places: &[Place],
) -> Result<Vec<Option<(Node, Sketch)>>, TreeError> {
    let read = |place: &Place| {
        if !place.here {
            return Ok(None);
        }
        let node = view.node(&place.scope, place.path)?;
        let sketch = place.source.map_or(Sketch::NOTHING, |_| Sketch::of(&node));
        Ok(Some((node, sketch)))
    };
    places.iter().map(read).collect()
}
