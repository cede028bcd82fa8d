"""What takes long: only with `tests/run --all`."""

import hashlib
import os

from harness.same import until_same
from harness.until import until

ALL = bool(os.environ.get("TOWLINE_TEST_ALL"))
GIB = 1 << 30


class Synthetic:
    """A body of any size that is never in memory: 1 MiB pieces that all differ."""

    def __init__(self, size):
        self.size, self.at = size, 0
        self.piece = os.urandom(1 << 20)

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
            number, inside = divmod(self.at + len(out), 1 << 20)
            piece = number.to_bytes(8, "big") + self.piece[8:]
            out += piece[inside : inside + amount - len(out)]
        self.at += amount
        return bytes(out)


if ALL:

    def test_one_object_of_5_gib_in_bounded_memory(make_pair):
        pair = make_pair().start()
        east, west = pair.east.client(read_timeout=600), pair.west.client(read_timeout=600)
        east.create_bucket(Bucket="huge")
        body = Synthetic(5 * GIB)
        east.put_object(Bucket="huge", Key="one", Body=body)
        until_same(east, west, "huge", 600)
        until(lambda: pair.west.metric("holes") == 0, "all blocks are there", 900)
        wanted, found = hashlib.sha256(), hashlib.sha256()
        body.seek(0)
        for piece in west.get_object(Bucket="huge", Key="one")["Body"].iter_chunks(1 << 20):
            found.update(piece)
            wanted.update(body.read(len(piece)))
        assert found.digest() == wanted.digest() and body.tell() == 5 * GIB
        for site in pair.sites:
            peak = next(
                int(line.split()[1]) << 10
                for line in open(f"/proc/{site.process.pid}/status")
                if line.startswith("VmHWM")
            )
            print(f"{site.name}: peak {peak >> 20} MiB")
            assert peak < 150 << 20
