"""Full sync under kills: whoever dies whenever, both sites end equal, and work is not done twice.

`TOWLINE_TEST_SEEDS=0-49` runs a wide range by hand; five seeds are of every run.
"""

import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Pair
from harness.fullsync import repaired, run
from harness.same import listing, shown
from harness.site import Site
from harness.until import until

BUCKET = "kill"
OBJECTS, CHANGES, KILLS = 2_400, 10, 3
# What is asked for and not yet committed when somebody dies: four batches of 256 states, as the
# walker has them under way.
UNDER_WAY = 4 * 256
# Steps of a secondary's disk, and the last passage of one that is sure to come.
STEPS = {"commit-before": 12, "commit-after": 12, "block-kept": 6}


def seeds():
    """Those that are asked for, like 0-49."""
    wide = "0-49" if os.environ.get("TOWLINE_TEST_ALL") else "0-4"
    first, last = os.environ.get("TOWLINE_TEST_SEEDS", wide).split("-")
    return range(int(first), int(last) + 1)


class Primary:
    """A primary with many objects, whose history is trimmed: what a secondary lacks, full sync brings."""

    def __init__(self, pair):
        self.site, self.pair, self.held = pair.east, pair, set()
        self.names = (f"{n:05}" for n in itertools.count())
        self.given_before = self.seen = 0
        client = self.site.client()
        client.create_bucket(Bucket=BUCKET)
        with ThreadPoolExecutor(8) as pool:
            names = itertools.islice(self.names, OBJECTS)
            self.held |= set(pool.map(lambda name: self.put(client, name, 100), names))
        for _ in range(40):
            self.held.add(self.put(client, next(self.names), 150_000))
        self.trim()

    def trim(self):
        """Waits until neither history nor tombstones are left."""
        at = lambda point: self.site.metric("position", point=point)
        until(lambda: at("trimmed") == at("written") >= OBJECTS, "history is trimmed")

    def put(self, client, name, size):
        client.put_object(Bucket=BUCKET, Key=name, Body=os.urandom(size))
        return name

    def change(self, draw):
        """Some new objects, and as many deletes."""
        client = self.site.client()
        for name in draw.sample(sorted(self.held), CHANGES):
            client.delete_object(Bucket=BUCKET, Key=name)
            self.held.discard(name)
        new = itertools.islice(self.names, CHANGES)
        self.held |= {self.put(client, name, draw.choice([100, 150_000])) for name in new}

    def given(self):
        """How many states it has given to who compares, over its restarts."""
        self.seen = self.site.metric("tree_states_total")
        return self.given_before + self.seen

    def kill(self):
        self.site.kill()
        self.given_before, self.seen = self.given_before + self.seen, 0
        self.site.start()


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    """The same for all seeds; nothing of it is spoilt."""
    pair = Pair(tmp_path_factory.mktemp("kills"))
    pair.east.set("history.window", "1s")
    pair.east.start()
    yield Primary(pair)
    assert pair.east.stop() == 0
    assert pair.east.unexpected() == []


@pytest.fixture
def secondary(primary, tmp_path, seed):
    """A new one that full sync has to bring everything to, slowly enough to be killed at it; of odd
    seeds, beside real time."""
    primary.trim()
    known, realtime = primary.pair.west, seed % 2 == 1
    west = Site(known.name, tmp_path / "west", known.certs, primary.site.name)
    west.follow(primary.site, realtime=realtime)
    for key, value in {
        "interval": "1s",
        "jitter": "0s",
        "on_connect": True,
        "max_deletes": "100%",
        "parallel": 1,
        "bytes_per_second": "500KiB",
    }.items():
        west.set(f"fullsync.{key}", value)
    west.start()
    yield west
    assert west.stop() == 0
    assert west.unexpected() == []
    if realtime:
        primary.site.command("peer", "remove", west.name)


def converged(west):
    return west.metric("converged") == 1


def strike(draw, primary, west):
    """Kills somebody at an instant that the seed draws; says who it was."""
    victim = draw.choice(["job", "primary", "secondary", "secondary at a step"])
    if victim == "secondary at a step":
        step = draw.choice(sorted(STEPS))
        west.kill()
        west.launch(TOWLINE_CRASH_AT=f"{step}:{draw.randint(1, STEPS[step])}")
        ended = lambda: west.process.poll() is not None
        until(lambda: ended() or converged(west), f"{west.name} crashed at {step}, or came through")
        if ended():
            assert west.process.returncode == -6, "by the crash hook"
        west.kill()
        west.start()
        return f"{victim}: {step}"
    more = primary.given() + draw.randrange(OBJECTS // 2)
    until(lambda: primary.given() >= more or converged(west), "so much has been compared")
    if victim == "job":
        cancel = lambda: west.command("fullsync", "cancel")
        until(lambda: converged(west) or cancel(), "the job is cancelled, or over")
    elif victim == "primary":
        primary.kill()
    else:
        west.kill()
        west.start()
    return victim


@pytest.mark.parametrize("seed", seeds())
def test_whoever_is_killed_whenever_it_ends_equal(primary, secondary, seed):
    draw = random.Random(seed)
    west, before = secondary, primary.given()
    # All objects, and their bucket.
    wanted = len(primary.held) + 1
    for _ in range(KILLS):
        print(seed, strike(draw, primary, west))
        primary.change(draw)
    client = primary.site.client()
    same = lambda: listing(west.client(), BUCKET) == listing(client, BUCKET)
    until(same, "both sites list the same", 60)
    assert set(listing(client, BUCKET)) == primary.held
    last = until(lambda: nothing_differs(west), "a full sync finds nothing")
    assert last["progress"]["wire_bytes"] < 8192, "equal sites exchange roots"
    for name in draw.sample(sorted(primary.held), 20):
        assert shown(west.client(), BUCKET, name) == shown(client, BUCKET, name), name
    # What was repaired before somebody died is not asked for again, but for what was under way.
    given = primary.given() - before
    print(seed, f"{given:.0f} states given, {wanted} wanted at first")
    assert given <= wanted + 2 * KILLS * CHANGES + KILLS * UNDER_WAY, given


def nothing_differs(west):
    """The job of a full sync by hand, if it found nothing."""
    job = run(west)
    return repaired(job) == 0 and job["converged"] and job
