use std::process::Command;

use bytes::Bytes;

use super::*;

/// Set where temporary files lie on a file system that refuses direct writes.
const REFUSES_DIRECT: &str = "TOWLINE_TEST_REFUSES_DIRECT";

/// Blocks in a directory, as the file system allows and as where it has no direct writes.
fn both_ways() -> [(tempfile::TempDir, Blocks); 2] {
    [true, false].map(|may| {
        let directory = tempfile::tempdir().unwrap();
        let mut blocks = Blocks::local(directory.path()).unwrap();
        if std::env::var_os(REFUSES_DIRECT).is_some() {
            assert!(blocks.direct.is_none(), "what refuses direct writes is not asked for them");
        }
        blocks.direct = blocks.direct.filter(|_| may);
        (directory, blocks)
    })
}

fn block(length: usize) -> (BlockHash, Bytes) {
    let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    (BlockHash::of(&bytes), bytes.into())
}

#[tokio::test]
async fn blocks_of_any_length_come_back_as_they_were_written() {
    for (_directory, blocks) in both_ways() {
        for length in [0, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, 12_288] {
            let (hash, bytes) = block(length);
            let pieces = bytes.chunks(1000).map(Bytes::copy_from_slice);
            // Again is the same.
            blocks.put(hash, pieces.clone().collect()).await.unwrap();
            blocks.put(hash, pieces.collect()).await.unwrap();
            assert_eq!(blocks.get(hash).await.unwrap().unwrap(), bytes);
            assert_eq!(blocks.get_once(hash).await.unwrap().unwrap(), bytes);
        }
        let names: Vec<_> = blocks.list().try_collect().await.unwrap();
        assert_eq!(names.len(), 8);
    }
}

#[tokio::test]
async fn a_block_that_is_not_there_is_none_and_may_be_deleted() {
    for (_directory, blocks) in both_ways() {
        let (hash, bytes) = block(10);
        assert!(blocks.get(hash).await.unwrap().is_none());
        assert!(blocks.get_once(hash).await.unwrap().is_none());
        blocks.put(hash, bytes.into()).await.unwrap();
        blocks.delete(hash).await.unwrap();
        blocks.delete(hash).await.unwrap();
        assert!(blocks.get_once(hash).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn other_bytes_than_the_name_says_are_damage_for_whoever_verifies() {
    for (directory, blocks) in both_ways() {
        let (hash, bytes) = block(5000);
        blocks.put(hash, bytes.into()).await.unwrap();
        std::fs::write(directory.path().join(file(hash)), b"other").unwrap();
        assert!(matches!(blocks.get(hash).await, Err(BlockError::Damaged(found)) if found == hash));
        assert_eq!(blocks.get_once(hash).await.unwrap().unwrap(), "other");
    }
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_gone_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    drop(Blocks::local(directory.path()).unwrap());
    let left = directory.path().join("staging/7");
    std::fs::write(&left, b"half").unwrap();
    let blocks = Blocks::local(directory.path()).unwrap();
    assert!(!left.exists());
    assert!(blocks.list().next().await.is_none());
}

#[tokio::test]
async fn a_disk_that_refuses_is_an_error_that_names_the_block() {
    for (directory, blocks) in both_ways() {
        let (hash, bytes) = block(5000);
        // A folder where the file must be: refused to root too.
        std::fs::create_dir_all(directory.path().join(file(hash)).join("x")).unwrap();
        let refused = blocks.put(hash, bytes.into()).await.unwrap_err();
        assert!(matches!(refused, BlockError::Io(found, _) if found == hash));
        let (other, bytes) = block(6000);
        blocks.put(other, bytes.into()).await.unwrap();
        let staging = std::fs::read_dir(directory.path().join("staging")).unwrap();
        assert_eq!(staging.count(), 0, "what could not be placed is deleted");
    }
}

/// The whole suite once more on ramfs, which answers `EINVAL` to whoever opens a file for direct
/// writes. It is mounted in a namespace of its own, which ends with the run.
#[test]
fn all_of_this_holds_where_the_file_system_refuses_direct_writes() {
    if std::env::var_os(REFUSES_DIRECT).is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = r#"mount -t ramfs ramfs "$TMPDIR" && exec "$@""#;
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mounted, "sh"])
        .arg(std::env::current_exe().unwrap())
        .arg("blocks::tests::")
        .env("TMPDIR", directory.path())
        .env(REFUSES_DIRECT, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "this needs mount namespaces for its user: {said}");
    assert!(said.contains("blocks_of_any_length") && !said.contains(" 0 passed"), "{said}");
}
