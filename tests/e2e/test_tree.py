"""The hash tree of a site that is stopped, compared with what the site stored."""

import json

from harness.fullsync import repaired, run
from harness.same import until_same
from harness.site import Site
from harness.tamper import tamper
from harness.until import until


def verify(site, *flags, code=0):
    return Site.run(Site.binary(), "store", "verify", "--config", site.config, *flags, code=code)


def test_a_stopped_site_is_verified_by_command(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="tree")
    for number in range(60):
        east.put_object(Bucket="tree", Key=f"{number}", Body=b"x" * number * 100)
    for number in range(0, 60, 7):
        east.delete_object(Bucket="tree", Key=f"{number}")
    until_same(east, west, "tree")
    assert "in use by another process" in verify(pair.east, code=1).stderr
    # A running site has begun to verify by itself; its first round is not over at once.
    assert pair.east.metric("tree_differences_total") == 0
    for site in (pair.east, pair.west):
        assert site.stop() == 0
        found = json.loads(verify(site, "--json").stdout)
        # 60 keys, deleted or not, in more leaves than one node holds, and the bucket.
        assert (found["records"], found["leaves"], found["differ"]) == (61, 61, 0)
        assert found["nodes"] == 1 and found["differences"] == []
        assert verify(site, "--repair").stdout.startswith("61 records, 61 leaves, 1 nodes, 0 differ")
        site.start()
    until_same(pair.east.client(), pair.west.client(), "tree")


def test_what_a_lost_record_has_named_is_found_and_freed_by_command(pair):
    east, west = pair.east.client(), pair.west
    east.create_bucket(Bucket="tree")
    for number in range(3):
        east.put_object(Bucket="tree", Key=f"{number}", Body=bytes([number]) * 200_000)
    until_same(east, west.client(), "tree")
    until(lambda: west.metric("wants") == 0, "all blocks have come")
    assert west.stop() == 0
    tamper(west, "delete-record", "tree", "1")
    failed = verify(west, code=1)
    expected = "3 blocks, 1 of them count wrongly\n  1 count more often than they are named"
    assert expected in failed.stdout
    found = json.loads(verify(west, "--json", code=1).stdout)
    assert (found["differ"], found["without_record"]) == (1, 1)
    blocks = found["blocks"]
    assert (blocks["blocks"], blocks["leaked"], blocks["leaked_bytes"]) == (3, 1, 200_000)
    assert blocks["repaired"] == 0 and found["kept"] is None
    mended = json.loads(verify(west, "--repair", "--json").stdout)
    assert (mended["repaired"], mended["blocks"]["repaired"]) == (1, 1)
    assert json.loads(verify(west, "--json").stdout)["blocks"]["leaked"] == 0
    west.start()
    files = west.folder / "data" / "blocks"
    until(lambda: sum(file.is_file() for file in files.rglob("*")) == 2, "its block is gone")
    assert repaired(run(west)) == 1
    until_same(east, west.client(), "tree")
    assert west.client().get_object(Bucket="tree", Key="1")["Body"].read() == b"\x01" * 200_000
