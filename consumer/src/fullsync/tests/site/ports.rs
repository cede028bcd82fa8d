//! A site in memory as its peer and its own jobs see it.

use super::*;

#[async_trait]
impl TreeSource for MemorySite {
    async fn pin(&self) -> Result<Pinned, PinError> {
        let mut state = self.state();
        if let Some(done) = state.building.as_mut().and_then(Vec::pop) {
            return Err(PinError::Building(Building { done, of: 100 }));
        }
        let end = End {
            partition: PARTITION,
            seq: Seq(state.log.len() as u64),
            digest: Digest::ZERO,
            volume: 0,
            time: Millis(0),
            trimmed: Seq(state.trimmed),
            history: Seq(state.trimmed),
        };
        let view: Arc<dyn View> = match state.hidden {
            Some(hidden) => Arc::new(Hiding { view: state.view.clone(), hidden }),
            None => Arc::new(state.view.clone()),
        };
        Ok(Pinned { view, ends: vec![end] })
    }
}

#[async_trait]
impl Here for MemorySite {
    fn site(&self) -> SiteId {
        self.site
    }

    fn now(&self) -> Millis {
        Millis(7)
    }

    fn lines(&self) -> BTreeMap<Line, Handled> {
        let handled = self.state().handled;
        let known =
            (handled > 0).then_some((origin(), Handled { seq: Seq(handled), ..Handled::START }));
        let past = self.state().past.clone().into_keys();
        let past = past.map(|line| (line, Handled { seq: Seq(9), ..Handled::START }));
        known.into_iter().chain(past).collect()
    }

    fn lines_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn view(&self) -> Result<HereView, HereError> {
        let then = {
            let mut state = self.state();
            state.views += 1;
            // The first is for the guard, the second is what is compared.
            if state.views == 2 { state.on_view.take() } else { None }
        };
        if let Some(then) = then {
            then();
        }
        let state = self.state();
        let trimmed = (state.trimmed > 0).then_some((origin(), Seq(state.trimmed)));
        let trimmed = trimmed.into_iter().collect();
        Ok(HereView { view: Arc::new(state.view.clone()), trimmed })
    }

    /// In three parts; what is rotten is in the first.
    async fn verify(&self, from: Option<String>, dry_run: bool) -> Result<Verified, HereError> {
        let mut state = self.state();
        state.verified.push(from.clone());
        let next = match from.as_deref() {
            None => Some("two".to_owned()),
            Some("two") => Some("three".to_owned()),
            Some(_) => None,
        };
        let rotten = if dry_run { Vec::new() } else { std::mem::take(&mut state.rotten) };
        for (scope, entity) in &rotten {
            state.view.remove(scope, *entity);
            state.quarantined += 1;
        }
        Ok(Verified { next, differ: rotten.len() as u64, rotten })
    }

    async fn take(&self, fixes: Vec<Fix>) -> Result<(), HereError> {
        let mut state = self.state();
        for fix in fixes {
            let still = |state: &State, scope: &Scope, leaf: &Leaf| {
                state.view.leaf(scope, leaf.entity).unwrap().map(|held| held.version)
                    == Some(leaf.version)
            };
            match fix {
                Fix::Repair { event, cut } => {
                    assert!(event.position <= cut);
                    Self::place(&mut state, *event);
                }
                Fix::Remove { scope, leaf } => {
                    assert!(still(&state, &scope, &leaf));
                    state.view.remove(&scope, leaf.entity);
                }
                Fix::Quarantine { scope, leaf } => {
                    assert!(still(&state, &scope, &leaf));
                    state.view.remove(&scope, leaf.entity);
                    state.quarantined += 1;
                }
                Fix::Prove { line, up_to } if line.epoch < EPOCH => {
                    state.past.insert(line, up_to);
                }
                Fix::Prove { up_to, .. } => state.proved = up_to.0,
                Fix::Trimmed { up_to, .. } if state.handled >= up_to.0 => state.trimmed = up_to.0,
                Fix::Trimmed { .. } => {}
                Fix::Handle { handled, .. } => state.handled = handled.seq.0,
            }
        }
        Ok(())
    }
}

/// A tree that does not say what it holds.
struct Hiding {
    view: MemoryView,
    hidden: EntityHash,
}

impl View for Hiding {
    fn roots(&self) -> Result<BTreeMap<Scope, Summary>, TreeError> {
        self.view.roots()
    }

    fn node(&self, scope: &Scope, path: Path) -> Result<Node, TreeError> {
        let mut node = self.view.node(scope, path)?;
        if let Node::Leaves(leaves) = &mut node {
            leaves.retain(|leaf| leaf.entity != self.hidden);
        }
        Ok(node)
    }

    fn leaf(&self, scope: &Scope, entity: EntityHash) -> Result<Option<Leaf>, TreeError> {
        self.view.leaf(scope, entity)
    }

    fn change(&self, scope: &Scope, entity: EntityHash) -> Result<Vec<Event>, TreeError> {
        self.view.change(scope, entity)
    }

    fn keys(&self, span: &Span, limit: usize) -> Result<Vec<(SlotName, Leaf)>, TreeError> {
        self.view.keys(span, limit)
    }
}
