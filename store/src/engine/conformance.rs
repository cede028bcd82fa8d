//! What every engine must do.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::{Batch, Engine, KeyRange, Table, prefix_range};

fn put(engine: &dyn Engine, rows: &[(Table, &'static str, Option<&'static str>)]) {
    let row = |(table, key, value): &(Table, &'static str, Option<&'static str>)| {
        ((*table, Bytes::from_static(key.as_bytes())), value.map(Bytes::from))
    };
    engine.commit(rows.iter().map(row).collect::<Batch>()).unwrap();
}

fn keys(engine: &dyn Engine, table: Table, range: KeyRange<'_>) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut visit = |key: &Bytes, _: &Bytes| {
        found.push(key.clone());
        ControlFlow::Continue(())
    };
    engine.scan(table, range, &mut visit).unwrap();
    found
}

/// Runs the whole suite on an empty engine; leaves the row `kept` in [`Table::Meta`].
pub(crate) fn run(engine: &dyn Engine) {
    put(engine, &[(Table::Objects, "b", Some("1")), (Table::Objects, "a", Some("2"))]);
    put(engine, &[(Table::Objects, "c\u{ff}", Some("3")), (Table::Versions, "aa", Some("4"))]);
    assert_eq!(engine.get(Table::Objects, b"a").unwrap().as_deref(), Some(b"2".as_slice()));
    assert_eq!(engine.get(Table::Objects, b"aa").unwrap(), None, "tables are apart");

    let all = (Bound::Unbounded, Bound::Unbounded);
    assert_eq!(keys(engine, Table::Objects, all), ["a", "b", "c\u{ff}"]);
    assert_eq!(keys(engine, Table::Versions, all), ["aa"]);
    let after_a = (Bound::Excluded(b"a".as_slice()), Bound::Excluded(b"c".as_slice()));
    assert_eq!(keys(engine, Table::Objects, after_a), ["b"]);
    let mut end = Vec::new();
    assert_eq!(keys(engine, Table::Objects, prefix_range(b"c", &mut end)), ["c\u{ff}"]);
    assert_eq!(keys(engine, Table::Objects, prefix_range(b"\xff", &mut end)).len(), 0);

    let mut seen = 0;
    let mut first_only = |_: &Bytes, _: &Bytes| {
        seen += 1;
        ControlFlow::Break(())
    };
    engine.scan(Table::Objects, all, &mut first_only).unwrap();
    assert_eq!(seen, 1);

    let snapshot = engine.snapshot();
    put(engine, &[(Table::Objects, "a", None), (Table::Meta, "kept", Some("yes"))]);
    assert_eq!(keys(engine, Table::Objects, all), ["b", "c\u{ff}"]);

    put(engine, &[(Table::Objects, "b", Some("5")), (Table::Objects, "ba", Some("6"))]);
    assert_eq!(snapshot.get(Table::Objects, b"b").unwrap().as_deref(), Some(b"1".as_slice()));
    assert_eq!(snapshot.get(Table::Meta, b"kept").unwrap(), None, "all tables as of one instant");
    let mut seen = Vec::new();
    let mut visit = |key: &Bytes, value: &Bytes| {
        seen.push((key.clone(), value.clone()));
        if seen.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    snapshot.scan(Table::Objects, all, &mut visit).unwrap();
    assert_eq!(seen, [("a".into(), "2".into()), (Bytes::from("b"), Bytes::from("1"))]);
    drop(snapshot);
    let again = engine.snapshot();
    assert_eq!(again.get(Table::Objects, b"ba").unwrap().as_deref(), Some(b"6".as_slice()));
}
