"""Real time, full sync, or both: for an origin, and for single buckets."""

from harness.same import until_same
from harness.site import BINARY, Site
from harness.until import until


def keys(client, bucket):
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def buckets(client):
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def test_objects_of_a_bucket_without_real_time_are_left_to_full_sync(make_pair):
    pair = make_pair()
    pair.west.origin_keys = ["[[origin.bucket]]", 'name = "cold"', "realtime = false"]
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    for bucket in ("cold", "hot"):
        east.create_bucket(Bucket=bucket)
        for n in range(20):
            east.put_object(Bucket=bucket, Key=f"{n}", Body=b"x" * n)
    east.delete_object(Bucket="cold", Key="0")
    until_same(east, west, "hot")
    complete = lambda: pair.west.ask("status")["origins"][0]["positions"]
    until(lambda: complete()["complete"] == complete()["written"] == 43, "all is handled")
    assert buckets(west) == ["cold", "hot"], "the bucket itself is there"
    assert keys(west, "cold") == []
    assert pair.west.metric("events_applied_total", outcome="left") == 21


def test_an_origin_without_real_time_is_not_followed_and_nobody_is_called_for_it(make_pair):
    pair = make_pair()
    pair.west.origin_keys = ["realtime = false"]
    # The first full sync by itself would come within the minute.
    pair.west.set("fullsync.interval", "off")
    pair.start()
    pair.east.client().create_bucket(Bucket="apart")
    [origin] = pair.west.ask("status")["origins"]
    assert (origin["realtime"], origin["connected"]) == (False, False)
    text = pair.west.command("status").stdout
    assert f"origin {pair.east.name}  only compared with" in text
    assert "not proved to be in sync yet" in text
    assert buckets(pair.west.client()) == []
    assert pair.east.ask("peer", "list")["sites"] == [], "it holds nothing up"


def test_an_origin_without_full_sync_is_never_compared_with(make_pair):
    pair = make_pair()
    pair.west.origin_keys = ["fullsync = false"]
    pair.start()
    refused = pair.west.command("fullsync", "run", code=1).stderr
    assert f"full sync with `{pair.east.name}` is off; set `origin.fullsync = true`" in refused
    until(lambda: "full sync is off" in pair.west.command("status").stdout, "status says so")
    assert pair.west.command("fullsync", "history").stdout == "there was no full sync yet\n"


def test_commands_say_what_is_wrong_in_one_line(make_pair):
    pair = make_pair()
    pair.west.origin_keys = ["[[origin.bucket]]", 'name = "hot"', "fullsync = false"]
    pair.start()
    primary = pair.east.command("fullsync", "run", code=1).stderr
    assert primary == (
        "towline: this site follows no other, so there is nothing to compare it with; ask the admin "
        "API of a secondary\n"
    )
    out = pair.west.command("fullsync", "run", "--bucket", "hot", code=1).stderr
    assert "bucket `hot` is left out of full sync; set `fullsync = true`" in out
    none = pair.west.command("fullsync", "cancel", code=1).stderr
    assert none == "towline: no full sync is under way\n"
    status = pair.west.command("fullsync", "status").stdout
    assert status == "there was no full sync yet\n"
    assert pair.west.ask("fullsync", "status") == {"job": None}
    assert pair.west.ask("fullsync", "history") == {"jobs": []}
    for words, says in [
        (["--prefix", "a"], "--bucket"),
        (["--both"], "--deep"),
        (["--max-deletes", "many"], "write it like 1000"),
        (["--bucket", "No"], "as S3 asks"),
    ]:
        assert says in pair.west.command("fullsync", "run", *words, code=2).stderr


def test_a_wrong_mode_is_told_with_its_line(make_pair):
    west = make_pair().west
    west.origin_keys = ["[[origin.bucket]]", 'name = "hot"', "realtime = false", "fullsync = false"]
    west.write_config()
    told = Site.run(BINARY, "config", "check", "--config", west.config, code=2).stderr
    line = 1 + west.config.read_text().splitlines().index('name = "hot"')
    assert f"{west.config}:{line}: key `origin.bucket[0].name`: its objects would never" in told
