"""The figures of the S3 endpoint alone: puts and gets of three sizes, pages of a listing, memory under uploads.

Of a site without a second, so that nothing but the endpoint and its store is measured; with a program
from before, both by turns.
"""

import collections
import statistics
import time
import urllib.request

from harness import site as harness

from tool import bench

BUCKET = "bench"
# Bytes, and clients that put and get them at once.
SIZES = {"4 KiB": 4 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}
CLIENTS, UPLOADS = 16, 64

Lengths = collections.namedtuple("Lengths", "rounds seconds keys asks")
FULL = Lengths(3, 10, 1_000_000, 50)
QUICK = Lengths(1, 3, 20_000, 10)


class Subject:
    """One program, and what each round found of it."""

    def __init__(self, folder, program=None):
        certs = harness.make_certs(folder / "certs", "east", "west")
        self.site = harness.Site("east", folder / "east", certs, "west")
        self.site.release = program
        self.site.start()
        self.site.client().create_bucket(Bucket=BUCKET)
        self.rounds = collections.defaultdict(list)

    def bench(self, command, *more):
        target = ["--endpoint", f"127.0.0.1:{self.site.s3_port}", "--secret-key", harness.SECRET]
        return bench(command, *target, *more)

    def cpu(self):
        return self.site.metric("process_cpu_seconds")

    def peak(self):
        lines = open(f"/proc/{self.site.process.pid}/status")
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(folder, lengths, before=None):
    """Everything, in rounds; with a program from before, both by turns in each phase of a round."""
    subjects = {"new": Subject(folder / "new")}
    if before:
        subjects["old"] = Subject(folder / "old", before)
    for turn in range(lengths.rounds):
        order = list(subjects.values())[:: 1 if turn % 2 == 0 else -1]
        for name, size in SIZES.items():
            for one in order:
                load(one, (name, size), turn, lengths)
    for one in subjects.values():
        large = ("--clients", UPLOADS, "--size", SIZES["64 MiB"], "--seconds", lengths.seconds)
        one.bench("put", *large, "--prefix", "uploads")
        one.rounds["uploads_peak_mib"].append(one.peak())
    listing(subjects["new"], lengths)
    for one in subjects.values():
        one.site.stop()
    return {"lengths": lengths._asdict()} | {name: one.rounds for name, one in subjects.items()}


def load(one, sized, turn, lengths):
    name, size = sized
    common = ("--size", size, "--clients", CLIENTS, "--seconds", lengths.seconds)
    for command in ("put", "get"):
        used = one.cpu()
        got = one.bench(command, *common, "--prefix", f"{command}{size}-{turn}")
        rate = got.get("acknowledged_per_second", got.get("per_second"))
        got["cpu_ms"] = 1e3 * (one.cpu() - used) / (rate * lengths.seconds)
        one.rounds[f"{command} {name}"].append(rate)
        one.rounds[f"{command} {name} cpu_ms"].append(got["cpu_ms"])


def listing(one, lengths):
    """Pages of 1,000 keys and of 500 common prefixes, the first and the last."""
    client = one.site.client()
    client.create_bucket(Bucket="listed")
    one.bench("fill", "--bucket", "listed", "--count", lengths.keys, "--size", 64)
    # Keys are NNN/NNNNNNNN, the number's last three digits in front: 1,000 prefixes, each of as many keys.
    pages = {
        "first": {}, "last": {"StartAfter": "998/99999999"},
        "first, delimiter": {"Delimiter": "/", "MaxKeys": 500},
        "last, delimiter": {"Delimiter": "/", "MaxKeys": 500, "StartAfter": "500"},
    }
    for name, more in pages.items():
        link = client.generate_presigned_url(
            "list_objects_v2", Params={"Bucket": "listed", **more})
        taken = []
        for _ in range(lengths.asks):
            began = time.monotonic()
            urllib.request.urlopen(link).read()
            taken.append(1e3 * (time.monotonic() - began))
        one.rounds[f"page {name}"].append(statistics.median(taken))
