"""What stands in buckets, as both sites count it, and the quotas that hold where clients write."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from harness.site import Site
from harness.until import until
from harness.uploads import complete, upload
from harness.users import create
from harness.versions import enable

PART = 5 << 20


def refusal(call, **arguments):
    """Code and message that a call is refused with."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"], refused.response["Error"].get("Message")
    return None, None


def counted(site, bucket):
    """Objects, versions, delete markers and bytes of a bucket, as a site tells them."""
    [told] = site.ask("usage", "--bucket", bucket)["buckets"]
    return tuple(told[name] for name in ("objects", "versions", "delete_markers", "bytes"))


def known(site, bucket):
    """Whether a site has heard of a bucket."""
    return any(told["bucket"] == bucket for told in site.ask("usage")["buckets"])


def at_both(pair, bucket, expected):
    """The primary counts at once, the secondary as soon as it has applied it."""
    assert counted(pair.east, bucket) == expected
    until(lambda: known(pair.west, bucket), f"`{bucket}` is known at the secondary")
    same = lambda: counted(pair.west, bucket) == expected
    until(same, f"the secondary counts {expected} in `{bucket}`")


def test_both_sites_count_what_stands_whatever_wrote_it(pair):
    client = pair.east.client()
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="a", Body=b"x" * 1000)
    client.put_object(Bucket="photos", Key="b", Body=b"x" * 70_000)
    at_both(pair, "photos", (2, 2, 0, 71_000))
    client.put_object(Bucket="photos", Key="a", Body=b"x" * 10)
    at_both(pair, "photos", (2, 2, 0, 70_010))
    client.delete_object(Bucket="photos", Key="b")
    at_both(pair, "photos", (1, 1, 0, 10))
    target, parts = upload(client, "photos", "parts", [os.urandom(PART), b"the end"])
    [told] = pair.east.ask("usage", "--bucket", "photos")["buckets"]
    assert told["uploads"] == {"count": 1, "bytes": PART + 7}
    assert told["bytes"] == 10, "an upload counts when it is completed"
    complete(client, target, parts)
    client.copy_object(Bucket="photos", Key="copy", CopySource={"Bucket": "photos", "Key": "parts"})
    at_both(pair, "photos", (3, 3, 0, 10 + 2 * (PART + 7)))
    [told] = pair.east.ask("usage", "--bucket", "photos")["buckets"]
    assert told["uploads"] == {"count": 0, "bytes": 0}

    client.create_bucket(Bucket="versions")
    enable(client, "versions")
    first = client.put_object(Bucket="versions", Key="a", Body=b"12345")["VersionId"]
    client.put_object(Bucket="versions", Key="a", Body=b"1")
    client.delete_object(Bucket="versions", Key="a")
    at_both(pair, "versions", (0, 2, 1, 6))
    client.delete_object(Bucket="versions", Key="a", VersionId=first)
    at_both(pair, "versions", (0, 1, 1, 1))

    # After a crash they are what they were.
    pair.east.kill()
    pair.east.start()
    at_both(pair, "versions", (0, 1, 1, 1))
    [root] = pair.east.ask("usage")["users"]
    assert (root["user"], root["buckets"], root["objects"]) == ("root", 2, 3)
    total = pair.west.ask("usage")["total"]
    assert total == pair.east.ask("usage")["total"]
    for site in pair.sites:
        told = lambda: (site.metric("objects"), site.metric("object_bytes"))
        until(lambda: told() == (total["objects"], total["bytes"]), f"{site.name} tells its metrics")
        lines = site.command("usage").stdout.splitlines()
        assert lines[0].split()[:3] == ["bucket", "owner", "uploads"]
        assert lines[1].split()[:2] == ["photos", "root"]
    missing = pair.east.command("usage", "--bucket", "absent", code=1)
    assert "there is no bucket `absent`" in missing.stderr


def test_a_quota_holds_where_clients_write_and_is_shown_at_both_sites(pair):
    client = pair.east.client()
    client.create_bucket(Bucket="photos")
    set_ = pair.east.ask("bucket", "quota", "photos", "--bytes", "100KiB", "--objects", "20")
    assert set_["quota"] == {"bytes": 100 << 10, "objects": 20}
    client.put_object(Bucket="photos", Key="a", Body=b"x" * 60_000)
    code, message = refusal(client.put_object, Bucket="photos", Key="b", Body=b"x" * 60_000)
    assert code == "QuotaExceeded" and "`photos` may hold 102400 bytes" in message
    copy = {"Bucket": "photos", "Key": "b", "CopySource": {"Bucket": "photos", "Key": "a"}}
    assert refusal(client.copy_object, **copy)[0] == "QuotaExceeded"
    parts = {"Bucket": "photos", "Key": "parts"}
    id = client.create_multipart_upload(**parts)["UploadId"]
    target = {**parts, "UploadId": id}
    part = client.upload_part(**target, PartNumber=1, Body=b"x" * 40_000)
    client.put_object(Bucket="photos", Key="c", Body=b"x" * 20_000)
    done = [{"PartNumber": 1, "ETag": part["ETag"]}]
    upload_ = {**target, "MultipartUpload": {"Parts": done}}
    assert refusal(client.complete_multipart_upload, **upload_)[0] == "QuotaExceeded"
    client.put_object(Bucket="photos", Key="a", Body=b"x" * 60_000)
    client.delete_object(Bucket="photos", Key="a")
    client.complete_multipart_upload(**upload_)

    # Of many at once, no more than fit.
    def put(number):
        key = f"many/{number}"
        return refusal(client.put_object, Bucket="photos", Key=key, Body=b"x")[0]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(put, range(40)))
    assert answers.count(None) == 18 and answers.count("QuotaExceeded") == 22
    at_both(pair, "photos", (20, 20, 0, 60_018))
    [told] = pair.west.ask("usage", "--bucket", "photos")["buckets"]
    assert told["quota"] == {"bytes": 100 << 10, "objects": 20} and told["full"] == 1.0
    refused = pair.west.command("bucket", "quota", "photos", "--bytes", "off", code=1)
    assert f"write to the primary `{pair.east.name}`" in refused.stderr
    shown = pair.west.command("usage", "--bucket", "photos").stdout
    assert "100 %" in shown and "100.00 KiB, 20 objects" in shown
    off = pair.east.command("bucket", "quota", "photos", "--bytes", "off", "--objects", "off")
    assert off.stdout.strip() == "bucket `photos`: no quota"
    assert put(99) is None


def test_a_users_quota_is_of_all_their_buckets_together(pair):
    user, keys = create(pair.east, "alice", "--id", "alice")
    assert user["quota"] == {"bytes": None, "objects": None}
    alice, root = pair.east.client(keys), pair.east.client()
    for bucket in ("one", "two"):
        alice.create_bucket(Bucket=bucket)
    told = pair.east.command("user", "quota", "alice", "--bytes", "1000B").stdout
    assert told.strip() == "user `alice`: 1000 B"
    alice.put_object(Bucket="one", Key="a", Body=b"x" * 600)
    for client in (alice, root):
        code, message = refusal(client.put_object, Bucket="two", Key="b", Body=b"x" * 600)
        assert code == "QuotaExceeded" and "user `alice`" in message
    alice.put_object(Bucket="two", Key="b", Body=b"x" * 400)
    root.create_bucket(Bucket="of-root")
    root.put_object(Bucket="of-root", Key="c", Body=b"x" * 5000)
    expected = {"buckets": 2, "bytes": 1000, "full": 1.0, "name": "alice"}

    def of_alice():
        told = pair.west.ask("usage", "--user", "alice")
        return told if [b["bucket"] for b in told["buckets"]] == ["one", "two"] else None

    def at_the_secondary():
        users = pair.west.ask("usage")["users"]
        alice = [user for user in users if user["user"] == "alice"]
        return bool(alice) and expected.items() <= alice[0].items()

    until(at_the_secondary, "the secondary counts what is alice's")
    assert of_alice()["total"]["bytes"] == 1000
    shown = pair.west.ask("user", "show", "alice")
    assert shown["quota"] == {"bytes": 1000, "objects": None}
    # A full sync finds both equal, quotas and all.
    assert pair.west.ask("fullsync", "run")["progress"]["differ"] == 0
    alice.delete_object(Bucket="one", Key="a")
    alice.put_object(Bucket="two", Key="d", Body=b"x" * 600)


def test_a_stopped_site_says_whether_its_counts_are_right(pair):
    client = pair.east.client()
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="a", Body=b"x" * 1000)
    assert pair.east.stop() == 0
    verified = pair.east.run(Site.binary(), "store", "verify", "--json", "--config", pair.east.config)
    assert json.loads(verified.stdout)["accounts"] == {"buckets": 1, "wrong": 0, "repaired": 0}
    pair.east.start()
