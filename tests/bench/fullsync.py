"""The figures of full sync: two sites that hold the same, or nearly, compared and repaired.

What crosses the link is counted outside of the sites, TLS and heartbeats included. Times are those
that a job itself reports, from its start.
"""

import collections
import os
import resource
import shutil
import subprocess
import time

from harness import site as harness
from harness.until import until

from tool import RELEASE, Counter, bench

BUCKET = "bench"
# Keys that the secondary has lost.
LOST = 100
SMALL, BODY, LARGE = 64, 4096, 8 << 20

# Objects of the small and the large pair, of the one that is repaired, of 8 MiB, and commits.
Lengths = collections.namedtuple("Lengths", "rounds few many repaired large commits")
FULL = Lengths(3, 10_000, 1_000_000, 100_000, 256, 40_000)
QUICK = Lengths(1, 1_000, 20_000, 5_000, 32, 8_000)


def fill(site, count, size, clients=32, *more):
    """Puts objects, which are the same for the same numbers, or deletes them again."""
    target = ["--endpoint", f"127.0.0.1:{site.s3_port}", "--secret-key", harness.SECRET]
    return bench("fill", *target, "--count", count, "--size", size, "--clients", clients, *more)


class Pair:
    """Two sites whose secondary is compared only when it is told to, over a link that is counted."""

    def __init__(self, folder):
        self.certs = harness.make_certs(folder / "certs", "east", "west")
        self.east = harness.Site("east", folder / "east", self.certs, "west").start()
        self.link = Counter(self.east.link_port)
        self.west = harness.Site("west", folder / "west", self.certs, "east")
        self.west.origin = ("east", self.link.port)
        for key in ("interval", "scrub_interval"):
            self.west.set(f"fullsync.{key}", "off")
        self.west.start()
        self.sites, self.peaks = (self.east, self.west), []
        self.east.client().create_bucket(Bucket=BUCKET)

    def fill(self, count, size, clients=32):
        fill(self.east, count, size, clients)
        self.settle()

    def settle(self):
        """Until real time has nothing left to do."""
        written = self.east.metric("position", point="written")
        complete = lambda: self.west.metric("position", point="complete", origin="east")
        until(lambda: complete() == written, "all is at the secondary", 900)

    def restart(self):
        """Both, so that memory and caches are those of sites that only compare."""
        for site in self.sites:
            site.stop()
        self.peaks.clear()
        for site in self.sites:
            site.start()
        self.connected()

    def connected(self):
        until(lambda: self.west.metric("link_connected") == 1, "the session stands")
        self.settle()

    def lose(self, seed):
        """Takes keys from the secondary as if their events had been missed."""
        self.note_peaks()
        self.west.stop()
        command = [RELEASE / "tamper", "--config", self.west.config]
        self.west.run(*command, "lose-many", BUCKET, LOST, "--seed", seed)
        self.west.start()
        self.connected()

    def compare(self, differ, *options):
        """A full sync that finds so many keys to differ, and what it took."""
        before, resident = self.link.bytes(), memory(self.west, "VmRSS")
        job = self.west.ask("fullsync", "run", *options)
        wire, progress = self.link.bytes() - before, job["progress"]
        if not job["converged"] or progress["differ"] != differ:
            raise SystemExit(f"this full sync should find {differ} keys and mend them: {job}")
        return {
            "seconds": job["seconds"],
            "wire": wire,
            "beside": wire - progress["bytes_moved"],
            "comparison": progress["wire_bytes"],
            "round_trips": progress["round_trips"],
            "added": memory(self.west, "VmHWM") - resident,
        }

    def note_peaks(self):
        """Takes note of the largest resident memory of both, in MiB, since they were started."""
        self.peaks += [memory(site, "VmHWM") for site in self.sites]

    def peak(self):
        self.note_peaks()
        return max(self.peaks)

    def stop(self):
        for site in self.sites:
            site.stop()
        self.link.stop()


def memory(site, which):
    """Resident memory of a site as the kernel counts it, in MiB."""
    for line in open(f"/proc/{site.process.pid}/status"):
        if line.startswith(which):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"the kernel does not say `{which}`")


def measure(folder, lengths):
    """Everything; what each round found, by name."""
    found = collections.defaultdict(list)
    found["lengths"] = lengths._asdict()
    for name, count in (("few", lengths.few), ("many", lengths.many)):
        comparisons(folder / name, name, count, lengths.rounds, found)
    repairs(folder / "repaired", lengths, found)
    deep(folder / "deep", lengths, found)
    commits(folder / "commits", lengths, found)
    return found


def comparisons(folder, name, count, rounds, found):
    """Sites that hold the same small objects, and then nearly the same."""
    pair = Pair(folder)
    pair.fill(count, SMALL)
    found[f"{name}_filling_peak"].append(pair.peak())
    pair.restart()
    # Whatever the filling has left to fold is folded now.
    found[f"{name}_first"].append(pair.compare(0))
    for _ in range(rounds):
        found[f"{name}_equal"].append(pair.compare(0))
    for turn in range(rounds):
        pair.lose(turn)
        found[f"{name}_differ"].append(pair.compare(LOST))
    found[f"{name}_peak"].append(pair.peak())
    pair.stop()
    shutil.rmtree(folder)


def repairs(folder, lengths, found):
    """The same keys missing, brought back by full sync and by rclone.

    A secondary takes no client's writes, so that rclone copies to a site that stands alone.
    """
    pair = Pair(folder)
    pair.fill(lengths.repaired, BODY)
    south = harness.Site("south", folder / "south", harness.make_certs(folder / "alone", "south", "none"), "none")
    south.start().client().create_bucket(Bucket=BUCKET)
    before = south.metric("process_cpu_seconds")
    fill(south, lengths.repaired, BODY)
    used = south.metric("process_cpu_seconds") - before
    found["put_ms"].append(1e3 * used / lengths.repaired)
    rclone = Rclone(folder / "rclone.conf", pair.east, south)
    pair.compare(0)
    for turn in range(lengths.rounds):
        pair.lose(turn)
        found["repaired"].append(pair.compare(LOST))
        for name, options in Rclone.WAYS.items():
            step = lengths.repaired // (LOST + 1)
            fill(south, LOST, 0, 8, "--delete", "--first", turn, "--step", step)
            found[f"rclone_{name}"].append(rclone.sync(options))
            south.client().head_object(Bucket=BUCKET, Key=f"{turn:03}/{turn:08}")
    rclone.stop()
    south.stop()
    pair.stop()
    shutil.rmtree(folder)


class Rclone:
    """`rclone sync` from one site to another, through counters."""

    # The fastest of its ways that compares contents: it needs no request an object, since the
    # listings say what it compares.
    WAYS = {"default": [], "tuned": ["--checkers", "32", "--transfers", "32"]}

    def __init__(self, config, source, target):
        self.config, self.counters = config, [Counter(site.s3_port) for site in (source, target)]
        sections = [
            f"[{name}]\ntype = s3\nprovider = Other\naccess_key_id = root\n"
            f"secret_access_key = {harness.SECRET}\nendpoint = http://127.0.0.1:{counter.port}\n"
            for name, counter in zip(("source", "target"), self.counters)
        ]
        config.write_text("\n".join(sections))

    def sync(self, options):
        command = ["rclone", "--config", self.config, "sync", "--checksum", "--fast-list", *options]
        # What is set for other clients of S3 is not for this one.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        before, began = self.bytes(), time.monotonic()
        subprocess.run([*command, f"source:{BUCKET}", f"target:{BUCKET}"], check=True, env=clean)
        return {"seconds": time.monotonic() - began, "wire": self.bytes() - before}

    def bytes(self):
        return sum(counter.bytes() for counter in self.counters)

    def stop(self):
        for counter in self.counters:
            counter.stop()


def deep(folder, lengths, found):
    """A full sync that reads every block back, against `sha256sum` of the same files."""
    pair = Pair(folder)
    pair.fill(lengths.large, LARGE, 4)
    files = [path for path in (pair.west.folder / "data" / "blocks").rglob("*") if path.is_file()]
    mib = sum(path.stat().st_size for path in files) / (1 << 20)

    def summed(*command):
        began = time.monotonic()
        subprocess.run([*command, *files], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    ways = {
        "sha256sum": lambda: summed("sha256sum"),
        # Where `sha256sum` does not use what the processor has for it, this does.
        "openssl": lambda: summed("openssl", "dgst", "-sha256"),
        "deep": lambda: pair.compare(0, "--deep")["seconds"],
    }
    for turn in range(lengths.rounds):
        for name in sorted(ways, reverse=turn % 2 == 1):
            forget(files)
            found[name].append(mib / ways[name]())
    pair.stop()
    shutil.rmtree(folder)


def forget(files):
    """Nothing of these files is in the page cache any more."""
    for path in files:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def commits(folder, lengths, found):
    """CPU of commits into a store alone, with its hash tree and without."""
    keys = harness.make_certs(folder / "certs", "none") / "class.key"
    for turn in range(lengths.rounds):
        for size in (SMALL, BODY):
            for kept in sorted((True, False), reverse=turn % 2 == 1):
                name = f"commits_{size}" + ("" if kept else "_without")
                found[name].append(commit_ms(folder / "store", keys, size, lengths.commits, kept))


def commit_ms(folder, keys, size, count, kept):
    """Milliseconds of CPU per commit, all threads of the process."""
    before = cpu_of_children()
    more = [] if kept else ["--without-tree"]
    done = bench("commits", "--dir", folder, "--keys", keys, "--size", size, "--count", count, *more)
    used = cpu_of_children() - before
    shutil.rmtree(folder)
    # The bucket has a leaf in any case.
    if (done["leaves"] > 1) != kept:
        raise SystemExit(f"this store should{'' if kept else ' not'} have kept a tree: {done}")
    return 1e3 * used / count


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
