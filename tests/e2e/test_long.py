"""What takes long: only with `tests/run --all`."""

import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.until import until
from harness.uploads import complete, upload, upload_copies

ALL = bool(os.environ.get("TOWLINE_TEST_ALL"))
MIB, GIB = 1 << 20, 1 << 30
PART, PARTS = 5 * MIB, 10_000
# Objects that 10,000 parts are copies of in turn: their number divides neither that of the parts
# nor that of the blocks in a segment, so that a part or a segment in the wrong place shows.
SOURCES = 7


class Synthetic:
    """A body of any size that is never in memory: 1 MiB pieces that all differ."""

    def __init__(self, size, piece=None, first=0):
        self.size, self.at, self.first = size, 0, first
        self.piece = piece or os.urandom(1 << 20)

    def part(self, first, size):
        """Some of it as a body of its own."""
        return Synthetic(size, self.piece, self.first + first)

    def __len__(self):
        return self.size

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, amount=-1):
        left = self.size - self.at
        amount = left if amount is None or amount < 0 else min(amount, left)
        out = bytearray()
        while len(out) < amount:
            number, inside = divmod(self.first + self.at + len(out), 1 << 20)
            piece = number.to_bytes(8, "big") + self.piece[8:]
            out += piece[inside : inside + amount - len(out)]
        self.at += amount
        return bytes(out)


def digest(body):
    """Of all its bytes, which are never in memory at once."""
    found = hashlib.sha256()
    for at in range(0, body.size, MIB):
        body.seek(at)
        found.update(body.read(MIB))
    return found.hexdigest()


def digest_of(answer):
    """The same of what a site answers."""
    found = hashlib.sha256()
    for piece in answer.iter_chunks(MIB):
        found.update(piece)
    return found.hexdigest()


if ALL:

    def test_one_object_of_5_gib_in_bounded_memory(make_pair):
        pair = make_pair().start()
        east, west = pair.east.client(read_timeout=600), pair.west.client(read_timeout=600)
        east.create_bucket(Bucket="huge")
        body = Synthetic(5 * GIB)
        east.put_object(Bucket="huge", Key="one", Body=body)
        until_same(east, west, "huge", 600)
        until(lambda: pair.west.metric("holes") == 0, "all blocks are there", 900)
        assert digest_of(west.get_object(Bucket="huge", Key="one")["Body"]) == digest(body)
        for site in pair.sites:
            peak = next(
                int(line.split()[1]) << 10
                for line in open(f"/proc/{site.process.pid}/status")
                if line.startswith("VmHWM")
            )
            print(f"{site.name}: peak {peak >> 20} MiB")
            assert peak < 150 << 20

    def test_a_copy_of_5_gib_is_whole_at_the_secondary_and_moves_nothing(make_pair):
        pair = make_pair().start()
        east, west = pair.east.client(read_timeout=600), pair.west.client(read_timeout=600)
        east.create_bucket(Bucket="huge")
        body = Synthetic(5 * GIB)
        bodies = [body.part(at, 512 * MIB) for at in range(0, body.size, 512 * MIB)]
        etag = complete(east, *upload(east, "huge", "source", bodies))["ETag"]
        until(lambda: west.head_object(Bucket="huge", Key="source"), "the source is known", 60)
        until(lambda: pair.west.metric("holes") == 0, "all of its blocks are there", 900)
        pulled = pair.west.metric("blocks_pulled_bytes_total")
        assert pulled >= body.size

        east.copy_object(Bucket="huge", Key="copy", CopySource={"Bucket": "huge", "Key": "source"})
        # One part of as many bytes as one may have, and ranges on no border of a block.
        end = 4 * GIB - 3
        ranges = [f"bytes={end}-{end + PART}", f"bytes={body.size - 12_345}-{body.size - 1}"]
        sources = ["source", *(("source", text) for text in ranges)]
        complete(east, *upload_copies(east, "huge", "ranges", sources))
        east.delete_object(Bucket="huge", Key="source")
        until_same(east, west, "huge")
        until(lambda: pair.west.metric("holes") == 0, "all blocks are there")
        moved = pair.west.metric("blocks_pulled_bytes_total") - pulled
        # Lists of blocks, and the ranges, which begin and end within blocks.
        assert moved < PART + 2 * MIB, "no whole block moved"

        wanted = digest(body)
        for site in (west, east):
            copy = site.get_object(Bucket="huge", Key="copy")
            assert (copy["ContentLength"], copy["ETag"]) == (body.size, etag)
            assert digest_of(copy["Body"]) == wanted
            name = {"Bucket": "huge", "Key": "ranges"}
            assert digest_of(site.get_object(**name, PartNumber=1)["Body"]) == wanted
            for number, at, size in ((2, end, PART + 1), (3, body.size - 12_345, 12_345)):
                part = site.get_object(**name, PartNumber=number)["Body"].read()
                assert part == body.part(at, size).read(), number
        # It is larger than what may be copied at once.
        with pytest.raises(ClientError) as refused:
            east.copy_object(Bucket="huge", Key="x", CopySource={"Bucket": "huge", "Key": "ranges"})
        assert refused.value.response["Error"]["Code"] == "InvalidRequest"

    def test_an_object_of_ten_thousand_parts(pair):
        """Of copies by reference: 49 GiB fill no disk and cross no link, but S3 wants each hashed."""
        east, west = pair.east.client(read_timeout=300), pair.west.client()
        east.create_bucket(Bucket="many")
        bodies = [os.urandom(PART) for _ in range(SOURCES)] + [b"the end"]
        for number, body in enumerate(bodies):
            east.put_object(Bucket="many", Key=f"source/{number}", Body=body)
        whose = [number % SOURCES for number in range(PARTS - 1)] + [SOURCES]
        sources = [f"source/{number}" for number in whose]
        target, parts = upload_copies(east, "many", "all", sources, workers=4)
        pages = list(east.get_paginator("list_parts").paginate(**target))
        assert [len(page["Parts"]) for page in pages] == [1_000] * 10
        listed = [(part["PartNumber"], part["ETag"]) for page in pages for part in page["Parts"]]
        # Not for pytest to explain: that alone takes minutes.
        same = listed == [(part["PartNumber"], part["ETag"]) for part in parts]
        assert same, "the parts are listed as they were put"

        md5s = [hashlib.md5(body).digest() for body in bodies]
        etag = f'"{hashlib.md5(b"".join(md5s[n] for n in whose)).hexdigest()}-{PARTS}"'
        for _ in ("the first time", "again"):
            assert complete(east, target, parts)["ETag"] == etag
        name = {"Bucket": "many", "Key": "all"}
        until(lambda: west.head_object(**name), "the object is at the secondary")
        until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
        pulled = pair.west.metric("blocks_pulled_bytes_total")
        assert pulled < SOURCES * PART + 4 * MIB, "sources and lists of blocks only"
        for site in (east, west):
            head = site.head_object(**name)
            assert (head["ETag"], head["ContentLength"]) == (etag, (PARTS - 1) * PART + 7)
            for number in (1, PARTS // 2, PARTS - 1, PARTS):
                got = site.get_object(**name, PartNumber=number)
                assert got["PartsCount"] == PARTS
                assert got["Body"].read() == bodies[whose[number - 1]], number
            # From the last byte of one part to the first of the next.
            for number in (1, 205, PARTS // 2, PARTS - 1):
                end = number * PART
                got = site.get_object(**name, Range=f"bytes={end - 1}-{end}")["Body"].read()
                assert got == bodies[whose[number - 1]][-1:] + bodies[whose[number]][:1], number
