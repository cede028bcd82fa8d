//! Histories of any kind.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn law_9_the_tree_is_what_the_records_say_whatever_was_folded_when_the_site_died(ops in ops()) {
        block_on(async {
            let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
            let mut store = open(&engine, home.path()).await;
            for op in ops {
                match op {
                    Op::Apply(events) => apply(&store, &events).await,
                    Op::Remove(objects) => remove(&store, objects).await,
                    Op::Fold(commits) => {
                        store.fold_in(SMALL, commits).await.unwrap();
                        assert_tree_is_true(&store);
                    }
                    Op::Reopen => {
                        drop(store);
                        store = open(&engine, home.path()).await;
                    }
                }
            }
            assert_tree_is_true(&store);
            store.fold_tree().await.unwrap();
            assert_eq!(marks(&store), 0);
            assert_tree_is_true(&store);
        });
    }

    #[test]
    fn law_9_equal_states_have_equal_roots_whatever_their_past(
        events in batches(),
        folds in prop::collection::vec(0usize..6, 0..8),
    ) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path()).await;
            let west = open(&Arc::default(), homes[1].path()).await;
            apply(&east, &events).await;
            let turned: Vec<Event> = events.iter().chain(events.iter()).rev().cloned().collect();
            for (n, some) in turned.chunks(20).enumerate() {
                apply(&west, some).await;
                west.fold_in(SMALL, folds.get(n).copied().unwrap_or(0)).await.unwrap();
            }
            assert_eq!(roots(&west), roots(&east));
        });
    }

    #[test]
    fn what_a_view_says_of_each_entity_brings_about_the_same_tree_elsewhere(events in batches()) {
        block_on(async {
            let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let east = open(&Arc::default(), homes[0].path()).await;
            let west = open(&Arc::default(), homes[1].path()).await;
            apply(&east, &events).await;
            let view = east.tree_view().unwrap();
            for (scope, leaf) in all_leaves(&east) {
                let changes = view.change(&scope, leaf.entity).unwrap();
                let place = |change: &Change| match change {
                    Change::Attributes { .. } | Change::BucketAttributes { .. } => {
                        leaf.attributes.map(|attributes| attributes.position)
                    }
                    _ => Some(leaf.position),
                };
                assert!(changes.iter().all(|event| place(&event.change) == Some(event.position)));
                apply(&west, &changes).await;
                assert_eq!(west.tree_view().unwrap().leaf(&scope, leaf.entity).unwrap(), Some(leaf));
            }
            assert_eq!(roots(&west), roots(&east));
        });
    }

    #[test]
    fn the_tree_of_an_older_store_is_built_while_it_changes_and_over_restarts(
        before in batches(),
        meanwhile in prop::collection::vec((batches(), any::<bool>()), 0..6),
    ) {
        block_on(async {
            let (home, engine) = (tempfile::tempdir().unwrap(), Arc::<Memory>::default());
            let mut store = open(&engine, home.path()).await;
            apply(&store, &before).await;
            let tree = rows(&store, Table::Tree);
            drop(store);
            engine.commit(tree.into_iter().map(|(key, _)| ((Table::Tree, key), None)).collect()).unwrap();
            store = open(&engine, home.path()).await;
            for (events, reopen) in meanwhile {
                let refused = store.tree_view().err().unwrap();
                assert!(matches!(refused, ReadError::Tree(TreeError::Building { .. })), "{refused}");
                store.fold_tree().await.unwrap();
                if store.build_step(40, SMALL).await.unwrap() || store.tree_view().is_ok() {
                    break;
                }
                apply(&store, &events).await;
                if reopen {
                    drop(store);
                    store = open(&engine, home.path()).await;
                }
            }
            store.build_tree().await.unwrap();
            assert_tree_is_true(&store);
            drop(store);
            let store = open(&engine, home.path()).await;
            store.fold_tree().await.unwrap();
            assert_tree_is_true(&store);
        });
    }
}
