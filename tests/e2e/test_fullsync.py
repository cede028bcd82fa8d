"""Full sync: finds what differs and nothing else, repairs it, and proves that nothing does."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.fullsync import repaired, run, until_converged
from harness.proxy import Proxy
from harness.same import listing, shown, until_same
from harness.tamper import tamper
from harness.until import until
from test_crashes import Load

ALONE = {"realtime": False}
# What equal sites say of a comparison: their roots.
ROOTS_BYTES = 8192
MODES = pytest.mark.parametrize("mode", ["direct", "kafka"])


@pytest.fixture
def apart(make_pair):
    """A pair whose secondary takes nothing but by full sync, and only when it is told to."""
    pair = make_pair()
    pair.west.follow(pair.east, **ALONE)
    pair.west.set("fullsync.interval", "off")
    return pair.start()


def fill(client, bucket, count, size=100, prefix=""):
    """Puts objects of random bytes; returns their keys."""
    keys = [f"{prefix}{n:05}" for n in range(count)]
    put = lambda key: client.put_object(Bucket=bucket, Key=key, Body=os.urandom(size))
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(put, keys))
    return keys


def test_what_differs_is_found_and_nothing_else(apart):
    east, west = apart.east.client(), apart.west.client()
    east.create_bucket(Bucket="one")
    east.create_bucket(Bucket="two")
    keys = fill(east, "one", 300)
    fill(east, "two", 50, 200_000)
    assert repaired(run(apart.west)) == 352
    until_same(east, west, "one")
    until_same(east, west, "two")
    again = run(apart.west)
    assert (repaired(again), again["progress"]["differ"]) == (0, 0)
    assert again["progress"]["wire_bytes"] < ROOTS_BYTES, "equal sites exchange roots"
    for key in keys[:7]:
        east.put_object(Bucket="one", Key=key, Body=b"changed")
    for key in keys[7:12]:
        east.delete_object(Bucket="one", Key=key)
    third = run(apart.west)
    assert third["progress"]["repaired"] == {"older": 7, "deleted": 5}
    assert until_same(east, west, "one").keys() == set(keys) - set(keys[7:12])
    for key in ("00000", "00100"):
        assert shown(east, "one", key) == shown(west, "one", key)


def test_a_dry_run_lists_what_it_would_do_and_does_nothing(apart):
    east, west = apart.east.client(), apart.west.client()
    east.create_bucket(Bucket="dry")
    fill(east, "dry", 20, 1000)
    job = run(apart.west, "--dry-run", code=1)
    assert job["progress"]["differ"] == 21 and not job["progress"]["repaired"]
    assert job["progress"]["bytes_to_move"] >= 20_000
    names = {found["key"] for found in job["differences"]}
    assert names >= {f"{n:05}" for n in range(20)}
    assert west.list_buckets()["Buckets"] == []
    text = apart.west.command("fullsync", "run", "--dry-run", code=1).stdout
    assert "00007" in text and "dry" in text


def test_one_bucket_or_the_keys_under_a_prefix(make_pair):
    apart = make_pair()
    names = ("some", "others")
    apart.west.follow(apart.east, bucket=[{"name": name, "realtime": False} for name in names])
    apart.west.set("fullsync.interval", "off")
    apart.start()
    east, west = apart.east.client(), apart.west.client()
    for bucket in ("some", "others"):
        east.create_bucket(Bucket=bucket)
        fill(east, bucket, 60, prefix="a/")
        fill(east, bucket, 60, prefix="b/")
    until(lambda: len(west.list_buckets()["Buckets"]) == 2, "buckets come by real time")
    run(apart.west, "--bucket", "some", "--prefix", "a/")
    assert set(listing(west, "some")) == {f"a/{n:05}" for n in range(60)}
    run(apart.west, "--bucket", "some")
    assert len(until_same(east, west, "some")) == 120
    assert listing(west, "others") == {}, "nobody asked for these"


def test_more_deletes_than_allowed_are_held_back(apart):
    east, west = apart.east.client(), apart.west.client()
    east.create_bucket(Bucket="guard")
    keys = fill(east, "guard", 40)
    run(apart.west)
    for key in keys[:30]:
        east.delete_object(Bucket="guard", Key=key)
    fill(east, "guard", 5, prefix="new/")
    apart.west.allow("full sync would delete more than it may", "held_back=")
    job = run(apart.west, "--max-deletes", "10", code=1)
    assert job["progress"]["deletes_held_back"] >= 20
    assert len([key for key in listing(west, "guard") if key.startswith("new/")]) == 5
    assert apart.west.command("status", code=1)
    run(apart.west, "--max-deletes", "100%")
    until_same(east, west, "guard")


def test_an_origin_that_lost_everything_is_refused(apart):
    east, west = apart.east.client(), apart.west.client()
    east.create_bucket(Bucket="kept")
    fill(east, "kept", 30)
    run(apart.west)
    before = listing(west, "kept")
    apart.east.stop()
    (apart.east.folder / "data").rename(apart.east.folder / "lost")
    apart.east.start()
    apart.west.allow("alarm", "refused")
    done = apart.west.command("fullsync", "run", code=1)
    assert "is another than the one that this site has followed" in done.stderr, done.stderr
    assert listing(west, "kept") == before


@MODES
def test_a_new_secondary_joins_under_load(make_pair, mode):
    pair = make_pair(mode)
    pair.east.set("history.window", "1s")
    pair.west.set("fullsync.interval", "off")
    pair.east.start()
    east = pair.east.client()
    east.create_bucket(Bucket="join")
    fill(east, "join", 300, prefix="before/")
    trimmed = lambda: pair.east.metric("position", point="trimmed") > 250
    until(trimmed, "what came first is no more in history")
    with Load(pair.east, "join") as load:
        pair.west.start()
        until_converged(pair.west)
    load.check(pair.east)
    west = pair.west.client()
    held = until_same(east, west, "join")
    assert len(held) >= 300
    load.check(pair.west)
    are_alike = lambda key: shown(east, "join", key) == shown(west, "join", key)
    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(are_alike, held)), "every object, byte for byte"
    assert pair.west.metric("holes", reason="lost_at_origin") == 0
    last = run(pair.west)["progress"]
    assert last["differ"] == 0 and last["wire_bytes"] < ROOTS_BYTES, "the roots are equal"


@MODES
def test_what_was_deleted_while_it_was_away_stays_deleted(make_pair, mode, request):
    pair = make_pair(mode)
    pair.east.set("history.window", "1s")
    pair.east.set("fence.max_age", "2s")
    pair.start()
    pair.east.allow("site evicted: it passed `fence.max_age`")
    pair.west.allow("alarm while applying .*kind=\"gap\"", "events are lost at the origin")
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="gone")
    keys = fill(east, "gone", 60)
    until_same(east, west, "gone")
    pair.west.stop()
    for key in keys[:40]:
        east.delete_object(Bucket="gone", Key=key)
    written = lambda: pair.east.metric("position", point="written")
    until(lambda: pair.east.metric("position", point="trimmed") >= written() - 16, "history is cut")
    if mode == "kafka":
        published = lambda: pair.east.metric("position", point="published") == written()
        until(published, "all of it is in the log")
        request.getfixturevalue("kafka").cut(f"towline.{pair.east.name}")
        # Whatever comes next in a partition tells at once that something is missing there.
        keys += fill(east, "gone", 120, prefix="then/")
    pair.west.start()
    assert until_same(east, west, "gone").keys() == set(keys[40:])
    until_converged(pair.west)
    run(pair.west)
    assert set(listing(east, "gone")) == set(listing(west, "gone")) == set(keys[40:])


def test_round_trips_are_bounded_by_the_depth_of_the_tree(apart):
    east = apart.east.client()
    east.create_bucket(Bucket="slow")
    fill(east, "slow", 2_000)
    run(apart.west)
    proxy = Proxy(apart.east.link_port)
    proxy.delay, proxy.rate = 0.1, 10_000_000 // 8
    apart.west.stop()
    apart.west.origin = (apart.east.name, proxy.port)
    apart.west.start()
    # Of 2,000 keys: the root, 16 branches, 256 that are not split.
    depth, trips = 3, {}
    for differ in (1, 20, 400):
        for n in range(differ):
            east.put_object(Bucket="slow", Key=f"{n * 5:05}", Body=os.urandom(100))
        job = run(apart.west)
        assert repaired(job) == differ
        trips[differ] = job["progress"]["round_trips"]
    print("round trips by differences:", trips)
    # A round and its proof, each a cut, a digest and the end of the cut; a page of roots; a level at
    # a time; and states, of which a request takes 256.
    for differ, took in trips.items():
        assert took <= 2 * 3 + 1 + depth + 1 + -(-differ // 256), trips
    proxy.close()


def lose(pair, bucket, key):
    """Takes a key from the secondary, as if its events had been missed."""
    assert pair.west.stop() == 0
    tamper(pair.west, "lose", bucket, key)
    pair.west.start()


@MODES
def test_a_bucket_by_real_time_only_by_full_sync_only_or_by_both(make_pair, mode):
    pair = make_pair(mode)
    pair.west.set("fullsync.interval", "off")
    buckets = [
        {"name": "only-sync", "realtime": False},
        {"name": "only-live", "fullsync": False},
    ]
    pair.west.follow(pair.east, bucket=buckets)
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    for bucket in ("only-sync", "only-live", "both"):
        east.create_bucket(Bucket=bucket)
        fill(east, bucket, 10)
    until_same(east, west, "only-live")
    until_same(east, west, "both")
    assert listing(west, "only-sync") == {}
    job = run(pair.west)
    assert repaired(job) == 10
    until_same(east, west, "only-sync")
    for bucket in ("only-live", "both"):
        lose(pair, bucket, "00003")
        east.delete_object(Bucket=bucket, Key="00004")
    east.delete_object(Bucket="only-sync", Key="00004")
    until(lambda: "00004" not in listing(west, "both"), "real time goes on")
    assert "00004" in listing(west, "only-sync")
    assert repaired(run(pair.west)) == 2, "what was lost of one bucket, and deleted in another"
    for bucket in ("only-sync", "both"):
        until_same(east, west, bucket)
    left = set(listing(east, "only-live")) - {"00003"}
    until(lambda: set(listing(west, "only-live")) == left, "nobody looks at what it has lost")


@MODES
@pytest.mark.parametrize("realtime, fullsync", [(True, False), (False, True), (True, True)])
def test_a_site_by_real_time_only_by_full_sync_only_or_by_both(make_pair, mode, realtime, fullsync):
    pair = make_pair(mode)
    pair.west.set("fullsync.interval", "off")
    pair.west.follow(pair.east, realtime=realtime, fullsync=fullsync)
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="site")
    fill(east, "site", 20)
    if realtime:
        until_same(east, west, "site")
    else:
        assert west.list_buckets()["Buckets"] == []
        assert repaired(run(pair.west)) == 21
        until_same(east, west, "site")
    lose(pair, "site", "00003")
    east.put_object(Bucket="site", Key="new", Body=b"new")
    east.delete_object(Bucket="site", Key="00004")
    if realtime:
        until(lambda: "new" in listing(west, "site"), "real time goes on")
    assert "00003" not in listing(west, "site"), "real time does not look back"
    if fullsync:
        assert repaired(run(pair.west)) == (1 if realtime else 3)
        until_same(east, west, "site")
    else:
        assert "is off" in pair.west.command("fullsync", "run", code=1).stderr
        left = set(listing(east, "site")) - {"00003"}
        until(lambda: set(listing(west, "site")) == left, "the rest comes by real time")
