"""Who holds the fence, and what becomes of one that holds it too long (law 7)."""

from harness.same import until_same
from harness.until import until


def test_a_site_that_is_gone_for_too_long_is_evicted_with_an_alarm(make_pair):
    pair = make_pair()
    pair.east.set("fence.max_age", "2s")
    pair.east.set("history.window", "1s")
    pair.start()
    pair.east.allow("site evicted")
    pair.west.allow("alarm while applying .*kind=\"gap\"", "events are lost at the origin")
    east = pair.east.client()
    east.create_bucket(Bucket="fence")
    east.put_object(Bucket="fence", Key="before", Body=b"1")
    until_same(east, pair.west.client(), "fence")
    pair.west.stop()
    for n in range(40):
        east.put_object(Bucket="fence", Key=f"{n}", Body=b"2")
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
