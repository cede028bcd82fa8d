"""Whatever dies wherever: an acknowledged write is at both sites after the restart (law 1)."""

import os
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.same import shown, until_same
from harness.until import until


class Load:
    """Clients that put objects of all sizes and remember which were acknowledged."""

    def __init__(self, site, bucket, clients=4):
        self.acknowledged, self.stop = {}, threading.Event()
        self.site, self.bucket = site, bucket
        run = lambda number: threading.Thread(target=self._run, args=(number,), daemon=True)
        self.threads = [run(number) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=60)

    def _run(self, number):
        client = self.site.client(connect_timeout=2, read_timeout=10)
        turn = 0
        while not self.stop.is_set():
            turn += 1
            key = f"{number}/{turn % 40}"
            body = f"{number} {turn} ".encode() + os.urandom([10, 5_000, 150_000][turn % 3])
            # Until it is acknowledged, the key holds the one before or this one.
            before = self.acknowledged.get(key, (None,))
            self.acknowledged[key] = (*before, body)
            try:
                client.put_object(Bucket=self.bucket, Key=key, Body=body)
                self.acknowledged[key] = (body,)
            except (BotoCoreError, ClientError):
                pass

    def check(self, site):
        """Every key of a site holds an acknowledged body or one whose outcome is unknown."""
        client = site.client()
        for key, bodies in self.acknowledged.items():
            try:
                found = client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                found = None
            assert found in bodies, f"{site.name} {key}"


def settle(pair, load, bucket):
    """Both sites are up: they must become the same, and hold what was acknowledged."""
    until_same(pair.east.client(), pair.west.client(), bucket)
    until(lambda: pair.west.metric("holes") == 0, "no holes are left")
    for site in pair.sites:
        load.check(site)


@pytest.mark.parametrize("victim", ["east", "west"])
def test_kill_minus_nine_under_load_loses_nothing(any_pair, victim):
    any_pair.east.client().create_bucket(Bucket="killed")
    site = getattr(any_pair, victim)
    with Load(any_pair.east, "killed") as load:
        for _ in range(3):
            count = len(load.acknowledged)
            until(lambda: len(load.acknowledged) >= min(count + 20, 100), "the load runs")
            site.kill()
            site.start()
    settle(any_pair, load, "killed")


EAST = ["commit-before", "commit-after", "block-uploaded", "collect"]
WEST = ["commit-before", "commit-after", "apply-before", "block-kept", "acknowledge", "collect"]


@pytest.mark.parametrize(
    "victim, point", [("east", point) for point in EAST] + [("west", point) for point in WEST]
)
def test_a_crash_at_any_step_of_persistence_loses_nothing(make_pair, victim, point):
    pair = make_pair().start()
    pair.east.client().create_bucket(Bucket="crashed")
    site = getattr(pair, victim)
    with Load(pair.east, "crashed") as load:
        for passage in (1, 7):
            until(lambda: len(load.acknowledged) >= 20, "the load runs")
            site.stop()
            site.launch(TOWLINE_CRASH_AT=f"{point}:{passage}")
            until(lambda: site.process.poll() is not None, f"{site.name} crashed at {point}")
            assert site.process.returncode == -6, "by the crash hook"
            site.start()
    settle(pair, load, "crashed")


def test_a_crash_while_publishing_loses_nothing(make_pair):
    pair = make_pair("kafka").start()
    pair.east.client().create_bucket(Bucket="published")
    with Load(pair.east, "published") as load:
        until(lambda: len(load.acknowledged) >= 20, "the load runs")
        pair.east.stop()
        pair.east.launch(TOWLINE_CRASH_AT="published:3")
        until(lambda: pair.east.process.poll() is not None, "crashed after a publish")
        pair.east.start()
    settle(pair, load, "published")
    key = next(iter(load.acknowledged))
    east, west = pair.east.client(), pair.west.client()
    assert shown(west, "published", key) == shown(east, "published", key)
