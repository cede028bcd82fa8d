//! `docs/s3.md` says what there is of S3, and the dispatch does what it says.

use std::collections::BTreeSet;

use super::site::{Site, ask};
use crate::operation::Operation;

const DOCUMENT: &str = include_str!("../../../docs/s3.md");

/// A row of the table.
struct Row {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    state: &'static str,
}

fn rows() -> Vec<Row> {
    let table = DOCUMENT.split_once("| operation | request | state |").expect("a table").1;
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, request, state] = cells[..] else { panic!("three cells in {line}") };
        let (method, path) =
            request.split('`').nth(1).and_then(|r| r.split_once(' ')).expect("a request");
        Row { name: name.trim_matches('`'), method, path, state }
    };
    lines.map(row).collect()
}

impl Row {
    fn is_there(&self) -> bool {
        self.state == "whole" || self.state.starts_with("in part: ")
    }
}

#[test]
fn the_table_names_exactly_what_is_dispatched() {
    let dispatched: BTreeSet<_> = Operation::there().map(Operation::name).collect();
    let rows = rows();
    let there: BTreeSet<_> = rows.iter().filter(|row| row.is_there()).map(|row| row.name).collect();
    assert_eq!(there, dispatched);
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "each once");
    assert!(rows.is_sorted_by_key(|row| row.name));
    for row in rows.iter().filter(|row| !row.is_there()) {
        let other = row.state.strip_prefix("as `").and_then(|rest| rest.strip_suffix('`'));
        let known = row.state == "`NotImplemented`" || other.is_some_and(|o| names.contains(o));
        assert!(known, "{} has an unknown state: {}", row.name, row.state);
    }
}

#[tokio::test]
async fn what_the_table_leaves_out_is_not_implemented_and_the_rest_is() {
    let site = Site::with_bucket().await;
    for row in rows() {
        let path = row.path.replace("{bucket}", "photos").replace("{key}", "a").replace('…', "1");
        let mut asked = ask(row.method, &path);
        if row.name == Operation::PostObject.name() {
            asked = asked.header("content-type", "multipart/form-data; boundary=x");
        }
        let answer = site.send(asked).await;
        if row.state == "`NotImplemented`" {
            let (status, code) = answer.error();
            assert_eq!((status, &*code), (501, "NotImplemented"), "{} {path}", row.name);
        } else if row.is_there() {
            assert_ne!(answer.status, 501, "{} {path}", row.name);
        }
        // A deleted bucket would answer everything alike.
        let again = site.send(ask("PUT", "/photos")).await;
        assert!(matches!(again.status.as_u16(), 200 | 409), "{}", again.text());
    }
}
