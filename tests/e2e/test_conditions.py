"""Conditions hold in the commit: of many writers at once one wins, and the other site has its bytes."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.until import until
from harness.uploads import complete

WRITERS = 100
# Large enough to lie in blocks, which the winner's manifest names.
BODIES = [os.urandom(70_000) for _ in range(WRITERS)]
NAME = {"Bucket": "race", "Key": "k"}


def race(write):
    """Lets all write at the same moment: numbers of those who won, and what the others heard."""
    together = threading.Barrier(WRITERS)

    def attempt(number):
        together.wait(timeout=30)
        try:
            write(number)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    with ThreadPoolExecutor(WRITERS) as pool:
        heard = list(pool.map(attempt, range(WRITERS)))
    won = [number for number, code in enumerate(heard) if code is None]
    return won, {code for code in heard if code}


def begin(client, body):
    """An upload of one part, to be completed."""
    target = {**NAME, "UploadId": client.create_multipart_upload(**NAME)["UploadId"]}
    part = client.upload_part(**target, PartNumber=1, Body=body)
    return target, [{"PartNumber": 1, "ETag": part["ETag"]}]


def writer(client, kind, condition):
    """What writes body `number` under a condition, by a put or by completing an upload."""
    if kind == "put":
        return lambda number: client.put_object(**NAME, Body=BODIES[number], **condition)
    with ThreadPoolExecutor(10) as pool:
        begun = list(pool.map(lambda body: begin(client, body), BODIES))
    return lambda number: complete(client, *begun[number], **condition)


@pytest.mark.parametrize("kind", ["put", "upload"])
@pytest.mark.parametrize("wish", ["IfNoneMatch", "IfMatch"])
def test_of_a_hundred_writers_one_wins_at_both_sites(any_pair, kind, wish):
    east = any_pair.east.client(max_pool_connections=WRITERS)
    west = any_pair.west.client()
    east.create_bucket(Bucket="race")
    condition = {"IfNoneMatch": "*"}
    if wish == "IfMatch":
        condition = {"IfMatch": east.put_object(**NAME, Body=b"the one before")["ETag"]}
    won, heard = race(writer(east, kind, condition))
    assert len(won) == 1 and heard == {"PreconditionFailed"}
    until_same(east, west, "race")
    until(lambda: any_pair.west.metric("holes") == 0, "all blocks are at the secondary")
    for site in (east, west):
        assert site.get_object(**NAME)["Body"].read() == BODIES[won[0]]


def test_who_lost_keeps_the_parts_and_may_complete_without_the_condition(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="race")
    target, parts = begin(east, BODIES[0])
    complete(east, target, parts, IfNoneMatch="*")
    target, parts = begin(east, BODIES[1])
    with pytest.raises(ClientError) as refused:
        complete(east, target, parts, IfNoneMatch="*")
    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    complete(east, target, parts)
    until_same(east, west, "race")
    assert west.get_object(**NAME)["Body"].read() == BODIES[1]
