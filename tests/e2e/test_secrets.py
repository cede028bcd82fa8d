"""A user's secret rests and travels sealed: looked for in files, in Kafka, and on the link.

Each test first finds something that is in the clear in the same place, so that it would find a
secret too.
"""

import json
import subprocess

import pytest

from harness.process import start
from harness.secrets import holds
from harness.until import until
from harness.users import create, known

# The kind of a user's event, which is in its clear part.
KIND = b"user_put"


def two_secrets(pair):
    """A user with two keys, in force at both sites: the access keys, and the secrets."""
    _, first = create(pair.east, "alice")
    made = pair.east.ask("user", "rekey", "alice", "--keep-old")
    second = (made["access_key"], made["secret_key"])
    for keys in (first, second):
        known(pair.west, keys).list_buckets()
    return zip(first, second)


@pytest.fixture(params=["direct", "kafka"])
def logging_pair(make_pair, request):
    """A pair that logs all it can."""
    pair = make_pair(request.param)
    for site in pair.sites:
        site.set("log.level", "debug")
    return pair.start()


def test_no_secret_is_in_a_log_or_in_a_data_folder(logging_pair):
    pair = logging_pair
    public, secrets = two_secrets(pair)
    for site in pair.sites:
        site.stop()
        data = [path for path in (site.folder / "data").rglob("*") if path.is_file()]
        kept = b"".join(path.read_bytes() for path in data)
        log = site.log.read_bytes()
        assert all(key.encode() in kept for key in public), "what is not secret is found like this"
        for secret in secrets:
            assert not holds(kept, secret) and not holds(log, secret)
    assert b"user created" in pair.east.log.read_bytes()


def test_no_secret_is_in_kafka_s_files(make_pair, kafka):
    pair = make_pair("kafka").start()
    _, secrets = two_secrets(pair)
    brokers = sorted(kafka.folder.glob("broker-*"))
    assert len(brokers) == 3
    for broker in brokers:
        segments = sorted(broker.glob(f"data/towline.{pair.east.name}-*/*.log"))

        def both_events():
            # Batches are compressed, so that their files alone would show nothing.
            records = kafka.unpacked(segments)
            return records if records.count(KIND) >= 2 else None

        unpacked = until(both_events, f"both of the user's events are found in {broker.name}", 60)
        # One by one, and those of this topic alone: Kafka gives every partition files of 10 MB.
        files = sorted(broker.glob(f"data/towline.{pair.east.name}-*/*"))
        assert len(files) > len(segments)
        for secret in secrets:
            assert not holds(unpacked, secret)
            assert not any(holds(path.read_bytes(), secret) for path in files)


def test_no_secret_is_on_the_link(pair, tmp_path):
    _, secrets = two_secrets(pair)
    # As the secondary does: the whole change feed, from its beginning.
    told = subprocess.run(pair.east.link("/v1/site"), check=True, capture_output=True).stdout
    site = json.loads(told)
    wish = [
        {"partition": number, "epoch": site["epoch"], "after": 0}
        for number in range(site["partitions"])
    ]
    feed = tmp_path / "feed"
    with feed.open("wb") as file:
        ask = pair.east.link("/v1/changes", "--data", json.dumps(wish))
        follower = start(ask, stdout=file)
    try:
        found = lambda: feed.read_bytes().count(KIND) >= 2
        until(found, "both of the user's events are on the wire")
    finally:
        follower.terminate()
        follower.wait(timeout=10)
    assert not any(holds(feed.read_bytes(), secret) for secret in secrets)
