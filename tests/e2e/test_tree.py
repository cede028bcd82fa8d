"""The hash tree of a site that is stopped, compared with what the site stored."""

import json

from harness.same import until_same
from harness.site import Site


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
