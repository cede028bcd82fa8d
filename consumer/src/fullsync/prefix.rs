//! Comparing the keys of a bucket that begin alike. They are no branch of its tree, which is in
//! the order of hashes; so both sites list them, in the order of keys.
//!
//! A page is what lies between two keys of this site. The origin is asked with a digest whether it
//! has the same there, and answers with its leaves only where it has not: what is equal costs a
//! few hundred bytes a page. Where it has much more than this site, it stops in between, and is
//! asked for the rest.

use std::sync::Arc;

use bus::wire::tree::{KeysAsked, KeysPage};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use model::{
    BucketName, SlotName,
    tree::{Leaf, Scope, Span, Summary},
};

use super::{
    Phase,
    comparison::{Comparison, Stop},
    round::Round,
    walker::differences,
};

/// Keys of one page here.
const PAGE: usize = 1_024;
/// Pages under way at once.
const PAGES: usize = 4;

/// A run of slots, and what is here of it in their order.
type Page = (Span, Vec<(SlotName, Leaf)>);

impl Comparison<'_> {
    /// Compares the keys of a bucket with a prefix, and mends what differs.
    pub(crate) async fn compare_keys(
        &self,
        round: &Round,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<(), Stop> {
        self.phase(Phase::Comparing);
        let scope = Arc::new(Scope::Bucket(bucket.clone()));
        let (prefix, bucket) = (prefix.to_owned(), bucket.clone());
        let whole = Span { bucket, prefix, after: None, up_to: None };
        let mut rest = Some(whole);
        let mut under_way: FuturesUnordered<BoxFuture<'_, Result<(), Stop>>> =
            FuturesUnordered::new();
        loop {
            while under_way.len() < PAGES
                && let Some(span) = rest.take()
            {
                let (page, next) = self.next_page(round, span).await?;
                rest = next;
                under_way.push(Box::pin(self.compare_page(round, &scope, page)));
            }
            let Some(compared) = under_way.next().await else { return Ok(()) };
            compared?;
        }
    }

    /// The next page of this site, and what is behind it.
    async fn next_page(&self, round: &Round, mut span: Span) -> Result<(Page, Option<Span>), Stop> {
        let (view, of) = (Arc::clone(&round.here.view), span.clone());
        let mut found = ops::blocking(move || view.keys(&of, PAGE + 1)).await?;
        let rest = if found.len() > PAGE {
            found.truncate(PAGE);
            span.up_to = found.last().map(|(slot, _)| slot.clone());
            Some(Span { after: span.up_to.clone(), up_to: None, ..span.clone() })
        } else {
            None
        };
        Ok(((span, found), rest))
    }

    async fn compare_page(
        &self,
        round: &Round,
        scope: &Arc<Scope>,
        (mut span, mut here): Page,
    ) -> Result<(), Stop> {
        loop {
            let all = sorted(&here);
            let asked = KeysAsked {
                cut: round.made.id,
                span: span.clone(),
                here: Summary::of_leaves(&all),
            };
            let turn = self.parts.throttle.turn().await;
            let page = self.origin.keys(&asked, round.made.home()).await?;
            drop(turn);
            let (theirs, stopped) = match page {
                KeysPage::Same => {
                    self.tell(|tally| tally.progress.compared += all.len() as u64);
                    return Ok(());
                }
                KeysPage::Leaves(leaves, stopped) => (leaves, stopped),
            };
            let split = stopped
                .as_ref()
                .map_or(here.len(), |stopped| here.partition_point(|(slot, _)| slot <= stopped));
            let rest = here.split_off(split);
            self.compare_leaves(round, scope, (&theirs, &sorted(&here))).await?;
            // It goes on behind where it stopped, or it would never end.
            let Some(stopped) = stopped.filter(|slot| span.after.as_ref() < Some(slot)) else {
                return Ok(());
            };
            (span.after, here) = (Some(stopped), rest);
        }
    }

    async fn compare_leaves(
        &self,
        round: &Round,
        scope: &Arc<Scope>,
        (theirs, ours): (&[Leaf], &[Leaf]),
    ) -> Result<(), Stop> {
        let at = (&round.cut, &round.trimmed);
        let (compared, mut found) = differences(at, scope, theirs, ours);
        self.tell(|tally| tally.progress.compared += compared);
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(self.parts.options.walk.found));
            self.mend(round, std::mem::replace(&mut found, rest)).await?;
        }
        Ok(())
    }
}

fn sorted(here: &[(SlotName, Leaf)]) -> Vec<Leaf> {
    let mut leaves: Vec<_> = here.iter().map(|(_, leaf)| *leaf).collect();
    leaves.sort_by_key(|leaf| leaf.entity);
    leaves
}
