"""Links that are slow, narrow, deaf on one side, or cut again and again."""

import os

import pytest

from harness.proxy import Proxy
from harness.same import shown, until_same
from harness.until import until


@pytest.fixture
def linked(make_pair):
    """A pair whose link goes through a proxy."""
    pair = make_pair()
    proxy = Proxy(pair.east.link_port)
    pair.west.origin = (pair.east.name, proxy.port)
    pair.start()
    pair.east.client().create_bucket(Bucket="links")
    until(lambda: pair.west.client().head_bucket(Bucket="links"), "the secondary follows")
    yield pair, proxy
    proxy.close()


def test_a_large_object_on_a_narrow_link_holds_up_nothing_behind_it(linked):
    pair, proxy = linked
    east, west = pair.east.client(), pair.west.client()
    proxy.rate, proxy.delay = 3_000_000, 0.02
    body = os.urandom(20_000_000)
    east.put_object(Bucket="links", Key="large", Body=body)
    east.put_object(Bucket="links", Key="small", Body=b"behind it")
    until(lambda: west.head_object(Bucket="links", Key="small"), "the small one is there", 5)
    assert pair.west.metric("holes") == 1, "the large one is not complete yet"
    proxy.rate = None
    until(lambda: pair.west.metric("holes") == 0, "the large one is complete", 60)
    assert shown(west, "links", "large") == shown(east, "links", "large")


def test_a_link_that_is_cut_again_and_again_moves_on_block_by_block(linked):
    pair, proxy = linked
    east = pair.east.client()
    proxy.rate = 8_000_000
    before = proxy.carried["down"]
    east.put_object(Bucket="links", Key="cut", Body=os.urandom(30_000_000))
    for part in range(1, 5):
        carried = before + part * 5_000_000
        until(lambda: proxy.carried["down"] > carried, "some of it has passed")
        proxy.cut()
    proxy.rate = None
    until_same(east, pair.west.client(), "links")
    until(lambda: pair.west.metric("holes") == 0, "all of it is there", 60)
    # Each cut loses at most the blocks that were under way.
    assert proxy.carried["down"] - before < 30_000_000 + 4 * 10_000_000


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_link_that_is_deaf_on_one_side_is_noticed_and_heals(linked, way):
    pair, proxy = linked
    east, west = pair.east.client(), pair.west.client()
    east.put_object(Bucket="links", Key="before", Body=b"1")
    until_same(east, west, "links")
    proxy.swallow = {way}
    east.put_object(Bucket="links", Key="during", Body=b"2")
    until(lambda: pair.west.metric("lag_seconds") > 5, "lag rises by the clock", 40)
    until(lambda: pair.west.metric("link_connected") == 0, "the dead link is given up", 40)
    proxy.swallow = set()
    proxy.cut()
    until_same(east, west, "links")
    until(lambda: pair.west.metric("lag_seconds") < 3, "lag is low again")


def test_writes_do_not_wait_for_the_link(linked):
    pair, proxy = linked
    proxy.swallow = {"up", "down"}
    east = pair.east.client()
    for n in range(20):
        east.put_object(Bucket="links", Key=f"{n}", Body=b"x")
    assert pair.east.metric("history_depth_events") >= 20, "acknowledged, and not yet told"
    proxy.swallow = set()
    proxy.cut()
    until_same(east, pair.west.client(), "links")
