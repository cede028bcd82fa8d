"""Who holds the fence, and what becomes of one that holds it too long (law 7)."""

import pytest

from harness.same import until_same
from harness.site import Site
from harness.until import until


@pytest.mark.parametrize("limit, value", [("max_age", "2s"), ("max_bytes", "30KiB")])
def test_a_site_that_holds_up_too_much_is_evicted_with_an_alarm(make_pair, limit, value):
    pair = make_pair()
    pair.east.set(f"fence.{limit}", value)
    pair.east.set("history.window", "1s")
    pair.start()
    pair.east.allow(f"site evicted: it passed `fence.{limit}`")
    pair.west.allow("alarm while applying .*kind=\"gap\"", "events are lost at the origin")
    east = pair.east.client()
    east.create_bucket(Bucket="fence")
    east.put_object(Bucket="fence", Key="before", Body=b"1")
    until_same(east, pair.west.client(), "fence")
    pair.west.stop()
    assert pair.east.metric("alarms_total", kind="evicted") == 0
    for n in range(40):
        east.put_object(Bucket="fence", Key=f"{n}", Body=bytes(1000))
    until(lambda: pair.east.metric("alarms_total", kind="evicted") == 1, "the site is evicted")
    trimmed = lambda: pair.east.metric("position", point="trimmed")
    written = pair.east.metric("position", point="written")
    until(lambda: trimmed() == written, "history is free again")
    pair.west.start()
    for n in range(40):
        east.put_object(Bucket="fence", Key=f"later/{n}", Body=b"3")
    # What it missed is a hole with a reason: nothing is lost in silence (law 2).
    lost = lambda: pair.west.metric("holes", reason="lost_at_origin") > 0
    until(lost, "what was missed is known to be lost")
    west = pair.west.client()
    until(lambda: west.head_object(Bucket="fence", Key="later/39"), "what came after is there")


def test_a_site_that_is_gone_for_good_is_removed_by_command(make_pair):
    pair = make_pair()
    pair.east.set("history.window", "1s")
    pair.start()
    east = pair.east.client()
    east.create_bucket(Bucket="gone")
    until_same(east, pair.west.client(), "gone")
    pair.west.stop()
    for n in range(10):
        east.put_object(Bucket="gone", Key=f"{n}", Body=b"nobody else takes it")
    pair.east.stop()
    remove = [Site.binary(), "store", "remove-site", "--config", pair.east.config]
    unknown = Site.run(*remove, "nobody", code=1)
    assert f"no such site `nobody` is registered; these are: `{pair.west.name}` " in unknown.stderr
    assert pair.west.name in Site.run(*remove, pair.west.name).stdout
    pair.east.start()
    written = pair.east.metric("position", point="written")
    trimmed = lambda: pair.east.metric("position", point="trimmed") == written
    until(trimmed, "history waits for nobody")
