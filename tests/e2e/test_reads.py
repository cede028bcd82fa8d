"""Reads at the secondary of blocks that have not been pulled yet."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.until import until

BODY = os.urandom(5_500_000)


@pytest.fixture
def paused(make_pair):
    """A pair whose secondary pulls nothing, with one object of six blocks."""
    pair = make_pair()
    pair.west.set("puller.paused", True)
    pair.start()
    pair.east.client().create_bucket(Bucket="reads")
    pair.east.client().put_object(Bucket="reads", Key="one", Body=BODY)
    west = pair.west.client()
    until(lambda: west.head_object(Bucket="reads", Key="one"), "the manifest is there")
    return pair


def test_twenty_readers_at_once_get_it_and_each_block_crosses_once(paused):
    west = paused.west.client()
    with ThreadPoolExecutor(20) as readers:
        read = lambda _: west.get_object(Bucket="reads", Key="one")["Body"].read()
        bodies = list(readers.map(read, range(20)))
    assert all(body == BODY for body in bodies)
    assert paused.west.metric("blocks_pulled_total") == 6
    until(lambda: paused.west.metric("holes") == 0, "what was read through is kept")


def test_ranges_bring_only_the_blocks_they_need(paused):
    west = paused.west.client()
    for first, last in [(0, 0), (1_048_570, 1_048_580), (5_000_000, 5_499_999)]:
        answer = west.get_object(Bucket="reads", Key="one", Range=f"bytes={first}-{last}")
        assert answer["Body"].read() == BODY[first : last + 1]
    assert paused.west.metric("blocks_pulled_total") == 4


def test_without_the_origin_a_read_is_an_error_and_never_short(paused):
    paused.east.stop()
    west = paused.west.client(read_timeout=30)
    with pytest.raises(ClientError) as refused:
        west.get_object(Bucket="reads", Key="one")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert paused.east.name in refused.value.response["Error"]["Message"]


def test_an_origin_lost_in_mid_stream_breaks_the_connection(paused):
    west = paused.west.client(read_timeout=30)
    paused.west.allow("a read broke off .* is away")
    body = west.get_object(Bucket="reads", Key="one")["Body"]
    start = body.read(1_000)
    paused.east.kill()
    with pytest.raises((BotoCoreError, OSError)):
        rest = body.read()
        # Everything may have been read ahead by then only if all of it is right.
        assert start + rest != BODY, "a whole body"
        pytest.fail("a short body passed for a success")


def test_an_overwrite_whose_blocks_are_missing_loses_nothing_of_the_old(paused):
    west, east = paused.west.client(), paused.east.client()
    assert west.get_object(Bucket="reads", Key="one")["Body"].read() == BODY
    blocks = paused.west.folder / "data" / "blocks"
    before = {path.name for path in blocks.rglob("*") if path.is_file()}
    tag = east.put_object(Bucket="reads", Key="one", Body=os.urandom(3_000_000))["ETag"]
    until(lambda: west.head_object(Bucket="reads", Key="one")["ETag"] == tag, "the new manifest")
    paused.east.stop()
    with pytest.raises(ClientError):
        west.get_object(Bucket="reads", Key="one")
    assert before <= {path.name for path in blocks.rglob("*") if path.is_file()}


def test_blocks_damaged_on_the_origin_s_disk_are_refused_and_alarm(paused):
    paused.west.allow("the origin sent other bytes", "a read broke off")
    for block in (paused.east.folder / "data" / "blocks").rglob("*"):
        if block.is_file():
            with block.open("r+b") as file:
                first = file.read(1)
                file.seek(0)
                file.write(bytes([first[0] ^ 1]))
    with pytest.raises(ClientError) as refused:
        paused.west.client(read_timeout=30).get_object(Bucket="reads", Key="one")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500

    # The puller does not take them either, tries again, and tells.
    paused.west.stop()
    paused.west.unset("puller.paused")
    paused.west.start()
    failed = lambda: paused.west.metric("block_pull_failures_total", reason="damaged")
    until(lambda: failed() >= 6, "every damaged block is refused")
    assert paused.west.metric("holes", reason="blocks_missing") == 1
