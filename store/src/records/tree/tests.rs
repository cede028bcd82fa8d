use model::Hlc;

use super::*;

fn leaf() -> LeafRecord {
    let version = Version { hlc: Hlc(0x0102), site: SiteId([3; 16]) };
    let line = model::Line { site: SiteId([4; 16]), epoch: Epoch(5), partition: Partition(6) };
    let name = Bytes::from_static(b"a key");
    let content = Digest([7; 32]);
    let (position, attributes) = (line.at(Seq(8)), None);
    LeafRecord { version, content, deleted: true, position, attributes, name }
}

#[test]
fn a_leaf_keeps_its_layout() {
    let before = ["01", "0000000000000102", &"03".repeat(16), &"07".repeat(32)].concat();
    let line = [&"04".repeat(16), "0000000000000005", "0006"].concat();
    let name = hex::encode("a key");
    let golden = [&before, "01", &line, "0000000000000008", &name].concat();
    keeps(&leaf(), &golden);
    let attributes = LeafAttributes {
        digest: Digest([9; 32]),
        position: Position { seq: Seq(10), ..leaf().position },
    };
    let leaf = LeafRecord { deleted: false, attributes: Some(attributes), ..leaf() };
    let more = ["09".repeat(32), line.clone(), "000000000000000a".to_owned()].concat();
    let golden = [&before, "02", &line, "0000000000000008", &more, &name].concat();
    keeps(&leaf, &golden);
}

fn keeps(leaf: &LeafRecord, golden: &str) {
    let row = leaf.encode();
    assert_eq!(hex::encode(&row), golden);
    assert_eq!(LeafRecord::decode(&row).unwrap(), *leaf);
    for length in 1..row.len() - b"a key".len() {
        assert!(LeafRecord::decode(&row.slice(..length)).is_err(), "{length} bytes");
    }
}

#[test]
fn a_node_keeps_its_layout() {
    let mut branches = Box::new([Summary::EMPTY; FANOUT]);
    branches[15] = Summary { leaves: 0x0203, digest: Digest([9; 32]) };
    let row = NodeRecord(branches).encode();
    let golden = ["01", &"00".repeat(15 * 40), "0000000000000203", &"09".repeat(32)].concat();
    assert_eq!(hex::encode(&row), golden);
    assert_eq!(NodeRecord::decode(&row).unwrap().encode(), row);
    assert!(NodeRecord::decode(&row.slice(..row.len() - 1)).is_err());
}

#[test]
fn keys_lead_back_to_what_they_are_of() {
    let bucket = Scope::Bucket(BucketName::try_from("abc".to_owned()).unwrap());
    let path = Path::ROOT.branch(0).unwrap().branch(0xf).unwrap();
    for scope in [Scope::Entities, bucket] {
        let bytes = scope_bytes(&scope);
        assert_eq!(scope_of(&bytes), Some(scope));
        let key = NodeRecord::key(&bytes, path);
        assert_eq!(NodeRecord::split(&key), Some((bytes.as_slice(), path)));
        let root = NodeRecord::key(&bytes, Path::ROOT);
        assert!(key.starts_with(&root), "a branch sorts before what is below it");
        let entity = EntityHash(Digest([0; 32]));
        let leaf = LeafRecord::key(&bytes, entity);
        assert_eq!(split_place(&leaf), Some((bytes.as_slice(), entity)));
    }
}
