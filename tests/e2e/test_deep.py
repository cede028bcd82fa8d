"""What was lost, added, changed, rotten or forged is found: all of it, and nothing else."""

import os

import pytest

from harness.fullsync import repaired, run
from harness.same import listing, shown, until_same
from harness.tamper import quarantined, tamper
from harness.until import until

BUCKET = "deep"
# Blocks never travel by the log.
DIRECT = pytest.mark.parametrize("full", ["direct"], indirect=True)
SMALL, LARGE = 100, 200_000
SET_ASIDE = "a record cannot be read and was set aside"
TREE_DIFFERS = "the hash tree (did not say what the records do|and the records differ)"


@pytest.fixture(params=["direct", "kafka"])
def full(make_pair, request):
    """A pair that holds the same, of which the secondary is compared only when it is told to."""
    pair = make_pair(request.param)
    pair.west.set("fullsync.interval", "off")
    pair.start()
    east = pair.east.client()
    east.create_bucket(Bucket=BUCKET)
    for n in range(40):
        east.put_object(Bucket=BUCKET, Key=f"small/{n:02}", Body=os.urandom(SMALL))
        east.put_object(Bucket=BUCKET, Key=f"large/{n:02}", Body=os.urandom(LARGE))
    for n in range(36, 40):
        east.delete_object(Bucket=BUCKET, Key=f"small/{n:02}")
    until_same(east, pair.west.client(), BUCKET)
    assert repaired(run(pair.west, "--deep", "--both")) == 0
    return pair


def spoil(site, kinds):
    """Does this to a site, by kind and keys, while it is stopped; returns what it says, by key."""
    assert site.stop() == 0
    pairs = [(kind, key) for kind, keys in kinds.items() for key in keys]
    said = {key: tamper(site, kind, BUCKET, key) for kind, key in pairs}
    site.start()
    return said


def names(job):
    """What a full sync found, by name."""
    return sorted(found["key"] for found in job["differences"])


def keys(*kinds):
    """All that something is done to."""
    return [key for kind in kinds for some in kind.values() for key in some]


def are_equal(pair):
    """Both sites serve the same, byte for byte, and say so."""
    east, west = pair.east.client(), pair.west.client()
    held = listing(east, BUCKET)
    assert listing(west, BUCKET) == held and len(held) == 76
    for key in held:
        assert shown(east, BUCKET, key) == shown(west, BUCKET, key), key
    [origin] = pair.west.ask("status")["origins"]
    assert origin["full_sync"]["converged"] and origin["full_sync"]["unrepaired"] == 0, origin


MISSED = {
    "lose": ["small/00", "large/00", "small/36"],
    "add": ["new/0", "new/1"],
    "change": ["small/01", "large/01", "small/37"],
}
RECORDS = {
    "delete-record": ["small/10", "large/10", "small/38"],
    "corrupt-record": ["small/11", "large/11"],
    "forge-record": ["small/12", "large/12"],
}
BLOCKS = {
    "truncate-block": ["large/20", "large/21"],
    "corrupt-block": ["large/22"],
    "delete-block": ["large/23"],
}


def test_each_way_to_differ_is_found_and_nothing_else(full):
    west = full.west
    west.allow(TREE_DIFFERS)
    said = spoil(west, MISSED | RECORDS | BLOCKS)
    plain = run(west)
    assert names(plain) == sorted(keys(MISSED))
    assert plain["progress"]["repaired"] == {"missing": 3, "foreign": 2, "older": 2, "deleted": 1}
    assert repaired(run(west)) == 0, "what goes behind the back of the store is for `--deep`"
    deep = run(west, "--deep")
    blocks = [f"block {said[key]}" for key in keys(BLOCKS)]
    assert names(deep) == sorted(keys(RECORDS) + blocks)
    assert deep["progress"]["repaired"] == {"missing": 3, "rotten": 2, "foreign": 2, "block": 4}
    assert west.metric("keys_repaired_total", reason="rotten") == 2
    for options in ([], ["--deep"], ["--deep", "--both"]):
        again = run(west, *options)
        assert (repaired(again), again["progress"]["differ"]) == (0, 0), options
        assert options or again["progress"]["wire_bytes"] < 8192, "equal sites exchange roots"
    are_equal(full)
    assert west.stop() == 0
    foreign = MISSED["add"] + RECORDS["forge-record"]
    rotten = RECORDS["corrupt-record"]
    expected = [("foreign", key) for key in foreign] + [("rotten", key) for key in rotten]
    assert quarantined(west) == sorted(expected)


@DIRECT
def test_a_dry_run_of_deep_mode_lists_what_is_rotten_and_leaves_it(full):
    west = full.west
    west.allow(TREE_DIFFERS)
    said = spoil(west, BLOCKS)
    listed = [f"block {hash}" for hash in said.values()]
    for _ in range(2):
        job = run(west, "--deep", "--dry-run", code=1)
        assert names(job) == sorted(listed)
        assert job["progress"]["bytes_moved"] == 0
    assert run(west, "--deep")["progress"]["repaired"] == {"block": 4}
    are_equal(full)


@DIRECT
def test_with_both_the_primary_gets_its_rotten_blocks_from_the_secondary(full):
    said = spoil(full.east, BLOCKS)
    assert repaired(run(full.west, "--deep")) == 0, "nobody asked about the primary"
    job = run(full.west, "--deep", "--both")
    assert names(job) == sorted(f"block {hash}" for hash in said.values())
    assert job["progress"]["repaired"] == {"block": 4}
    assert repaired(run(full.west, "--deep", "--both")) == 0
    are_equal(full)


def block_files(site):
    """Names of the blocks on a site's disk."""
    return {file.name for file in (site.folder / "data" / "blocks").rglob("*") if file.is_file()}


def test_what_was_set_aside_is_looked_at_and_discarded_and_its_blocks_are_freed(full):
    west = full.west
    west.allow(TREE_DIFFERS, SET_ASIDE)
    rotten = ["small/11", "large/11"]
    spoil(west, {"corrupt-record": rotten, "delete-record": ["large/10"], "add": ["new/0"]})
    # What these two have named at the secondary, no record tells any more.
    for key in ["large/10", "large/11"]:
        full.east.client().delete_object(Bucket=BUCKET, Key=key)
    assert len(block_files(west)) == 40
    job = run(west, "--deep")
    assert job["progress"]["repaired"] == {"rotten": 1, "foreign": 1}, "no block is let go of yet"
    listed = west.ask("quarantine", "list")
    assert listed["counts"] == {"foreign": 1, "rotten": 2}
    found = sorted((it["reason"], it["bucket"], it["key"]) for it in listed["records"])
    expected = [("foreign", "new/0"), ("rotten", "large/11"), ("rotten", "small/11")]
    assert found == [(why, BUCKET, key) for why, key in expected]
    assert west.ask("status")["quarantined"] == listed["counts"]
    assert west.metric("quarantined", reason="rotten") == 2
    assert f"{BUCKET}/large/11" in west.command("quarantine", "list").stdout

    discard = ["quarantine", "discard"]
    refused = west.command(*discard, "--all", full.east.name, code=1).stderr
    assert f"`all` must name this site, which is `{west.name}`" in refused
    refused = west.command(*discard, "--bucket", BUCKET, "--key", "large/10", code=1).stderr
    assert "no such record is set aside" in refused
    assert "--bucket" in west.command(*discard, code=2).stderr
    said = west.command(*discard, "--bucket", BUCKET, "--key", "small/11").stdout
    assert said == "records discarded: 1\n"
    assert west.ask(*discard, "--all", west.name) == {"discarded": 2}
    assert west.ask("quarantine", "list")["records"] == []

    dry = run(west, "--deep", "--dry-run", code=1)
    leaked = {name.removeprefix("block ") for name in names(dry)}
    assert len(leaked) == 2 and leaked <= block_files(west)
    job = run(west, "--deep")
    assert (job["progress"]["repaired"], names(job)) == ({"count": 2}, names(dry))
    until(lambda: not leaked & block_files(west), "leaked blocks are gone")
    assert repaired(run(west, "--deep", "--both")) == 0
    assert len(block_files(west)) == 38
    assert listing(west.client(), BUCKET) == listing(full.east.client(), BUCKET)
    for key in listing(west.client(), BUCKET):
        assert shown(full.east.client(), BUCKET, key) == shown(west.client(), BUCKET, key), key
