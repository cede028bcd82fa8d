"""A disk that is full: nothing is lost, reads go on, and it resumes by itself."""

import os
import shutil

import pytest
from botocore.exceptions import ClientError

from harness.site import Site
from harness.same import until_same
from harness.until import until

# Room that other processes may take or give back meanwhile without being noticed.
MARGIN = 512 << 20


@pytest.fixture
def filler(tmp_path):
    """A file whose removal makes room, and the reserve that is not met while it is there."""
    path = tmp_path / "filler"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * MARGIN)
    yield path, shutil.disk_usage(tmp_path).free + MARGIN
    path.unlink(missing_ok=True)


def test_a_primary_with_a_full_disk_refuses_writes_until_there_is_room(make_pair, filler):
    path, reserve = filler
    pair = make_pair().start()
    pair.east.allow("a write was refused disk is full")
    east = pair.east.client()
    east.create_bucket(Bucket="full")
    east.put_object(Bucket="full", Key="before", Body=b"here")
    pair.east.stop()
    pair.east.set("storage.reserve", f"{reserve}B")
    pair.east.start()
    for body in (b"small", os.urandom(3_000_000)):
        with pytest.raises(ClientError) as refused:
            east.put_object(Bucket="full", Key="no room", Body=body)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert "disk is full" in refused.value.response["Error"]["Message"]
    assert east.get_object(Bucket="full", Key="before")["Body"].read() == b"here"
    path.unlink()
    until(lambda: east.put_object(Bucket="full", Key="after", Body=b"x"), "writes resume")
    assert sorted(until_same(east, pair.west.client(), "full")) == ["after", "before"]


def test_a_secondary_with_a_full_disk_waits_in_order_and_resumes(make_pair, filler):
    path, reserve = filler
    pair = make_pair().start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="full")
    east.put_object(Bucket="full", Key="before", Body=b"here")
    until_same(east, west, "full")
    pair.west.stop()
    pair.west.set("storage.reserve", f"{reserve}B")
    pair.west.start()
    for n in range(20):
        east.put_object(Bucket="full", Key=f"{n}", Body=os.urandom(n * 20_000))
    waits = lambda: pair.west.metric("link_connected") == 0 and pair.west.metric("lag_seconds") > 1
    until(waits, "the applier has stopped")
    assert west.get_object(Bucket="full", Key="before")["Body"].read() == b"here"
    assert list(west.list_objects_v2(Bucket="full")["Contents"][0].values())[0] == "before"
    path.unlink()
    until_same(east, west, "full")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are there")


def test_a_read_only_disk_is_named_and_what_is_on_it_stays(make_pair):
    east = make_pair().east.start()
    client = east.client()
    client.create_bucket(Bucket="kept")
    body = os.urandom(3_000_000)
    client.put_object(Bucket="kept", Key="before", Body=body)
    east.stop()
    data = east.folder / "data"
    read_only = f"mount --bind {data} {data} && mount -o remount,ro,bind {data} && exec \"$@\""
    command = [Site.binary(), "site", "--config", east.config]
    # In a mount namespace of its own, which ends with it.
    outcome = Site.run("unshare", "--map-root-user", "--mount", "sh", "-c", read_only, "sh", *command, code=1)
    errors = [line for line in outcome.stderr.splitlines() if " INFO " not in line]
    assert len(errors) == 1 and f"data directory `{data}" in errors[0], outcome.stderr
    assert "Read-only file system" in errors[0], errors
    east.start()
    assert client.get_object(Bucket="kept", Key="before")["Body"].read() == body


def test_a_disk_that_refuses_direct_writes_serves_as_any_other(make_pair):
    pair = make_pair()
    for site in pair.sites:
        data = site.folder / "data"
        data.mkdir()
        # In a mount namespace of its own, which ends with the site.
        mounted = f'mount -t ramfs ramfs {data} && exec "$@"'
        site.under = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted, "sh"]
        # This file system counts no room, so that it never has any free.
        site.set("storage.reserve", "0B")
    pair.start()
    for site in pair.sites:
        probe = f"/proc/{site.process.pid}/root{site.folder}/data/probe"
        with pytest.raises(OSError, match="Invalid argument"):
            os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_DIRECT)
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="ramfs")
    bodies = {f"{size}": os.urandom(size) for size in (10, 70_000, 1 << 20, 5_500_000)}
    for key, body in bodies.items():
        east.put_object(Bucket="ramfs", Key=key, Body=body)
    until_same(east, west, "ramfs")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are there")
    for site in (east, west):
        for key, body in bodies.items():
            assert site.get_object(Bucket="ramfs", Key=key)["Body"].read() == body
