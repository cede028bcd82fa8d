"""What the benchmarks found, as tables: against what is wanted, and beside the program before."""

import statistics


def median(rounds, *path):
    return statistics.median(dig(one, *path) for one in rounds)


def dig(value, *path):
    for step in path:
        value = value[step]
    return value


def cpu(rounds):
    """Milliseconds of both sites per object."""
    return statistics.median(sum(one["cpu_ms"]) for one in rounds["small"])


def cost(rounds):
    """The primary's CPU per object, against that of a site without a second."""
    with_it, alone = (
        statistics.median(one["cpu_ms"][0] for one in rounds[name])
        for name in ("small", "small_alone")
    )
    return with_it / alone


def tail(rounds):
    """The p99 of puts at 40 % load, against that of a site without a second."""
    return median(rounds["rate"], "put_ms", "p99") / median(rounds["rate_alone"], "put_ms", "p99")


def backlog(rounds):
    return max(one["backlog_age_s"] for one in rounds["rate"])


def at(name, *path):
    """The median over rounds of one figure."""
    return lambda rounds: median(rounds[name], *path)


# What every release can be measured by: its name, what finds it in the rounds of a program, how it
# is shown, and whether less of it is better. A program without these rounds has no such line.
COMMON = [
    ("lag of a 4 KiB PUT, direct, p50", "lag", at("lag", "lag_ms", "p50"), "{:.2f} ms", True),
    ("the same, p99", "lag", at("lag", "lag_ms", "p99"), "{:.2f} ms", True),
    ("lag of a 4 KiB PUT, Kafka, p50", "lag_kafka", at("lag_kafka", "lag_ms", "p50"), "{:.2f} ms", True),
    ("the same over Kafka, p99", "lag_kafka", at("lag_kafka", "lag_ms", "p99"), "{:.2f} ms", True),
    ("PUT 4 KiB, 16 clients, objects/s at both", "small", at("small", "everywhere_per_second"), "{:,.0f}", False),
    ("CPU per object, both sites", "small", cpu, "{:.3f} ms", True),
    ("primary's CPU against no replication", "small", cost, "{:.2f} x", True),
    ("PUT p99 at 40 %", "rate", at("rate", "put_ms", "p99"), "{:.2f} ms", True),
    ("the same, against no replication", "rate", tail, "{:.2f} x", True),
    ("oldest backlog meanwhile", "rate", backlog, "{:.2f} s", True),
    ("8 MiB, 4 clients, until at both", "large", at("large", "everywhere_mib_per_second"), "{:.0f} MiB/s", False),
    ("largest memory of a site, direct", "peak_mib", at("peak_mib"), "{:.0f} MiB", True),
    ("largest memory of a site, Kafka", "peak_kafka_mib", at("peak_kafka_mib"), "{:.0f} MiB", True),
]

# What only this program is asked for.
UPLOADS = [
    ("multipart, 8 parts of 16 MiB at a time, until at both", at("multipart", "everywhere_mib_per_second"),
     "{:.0f} MiB/s"),
    ("presigned GET of 4 KiB, 16 clients", at("presigned", "per_second"), "{:,.0f}/s"),
    ("copy of 5 GiB, until readable at the secondary", at("copy_s"), "{:.2f} s"),
    ("largest memory of a site, uploads in parts included", at("peak_uploads_mib"), "{:.0f} MiB"),
]


def wanted(machine):
    """What is wanted, by name; of lags it follows from what the machine gave in the same run."""
    disk = median(machine["disk"], "p50")
    limits = {
        "lag of a 4 KiB PUT, direct, p50": f"<= {1.5 + 2 * disk:.2f} ms",
        "PUT 4 KiB, 16 clients, objects/s at both": ">= 4,000",
        "CPU per object, both sites": "<= 0.35 ms",
        "primary's CPU against no replication": "<= 1.15 x",
        "the same, against no replication": "<= 1.5 x",
        "oldest backlog meanwhile": "<= 1 s",
        "8 MiB, 4 clients, until at both": ">= 250 MiB/s",
        "largest memory of a site, direct": "< 150 MiB",
        "largest memory of a site, Kafka": "< 150 MiB",
        "multipart, 8 parts of 16 MiB at a time, until at both": ">= that of 8 MiB",
        "presigned GET of 4 KiB, 16 clients": ">= 8,000/s",
        "copy of 5 GiB, until readable at the secondary": "< 1 s",
        "largest memory of a site, uploads in parts included": "< 150 MiB",
    }
    if machine["bare"]:
        bare, disk = median(machine["bare"], "produce_to_consume_ms", "p50"), median(machine["disk_kafka"], "p50")
        limits["lag of a 4 KiB PUT, Kafka, p50"] = f"<= {bare + 2 * disk + 1:.2f} ms"
    return limits


def tables(raw):
    """One table of this program, one of it beside the program before, one of full sync and one of the
    S3 endpoint: those that were measured."""
    found = []
    if "new" in raw:
        found.append(absolute(raw["machine"], raw["new"]))
    if "old" in raw:
        found.append(beside(raw["new"], raw["old"]))
    if "fullsync" in raw:
        found.append(full_sync(raw["fullsync"]))
    if "s3" in raw:
        found.append(endpoint(raw["s3"]))
    return found


def absolute(machine, new):
    limits = wanted(machine)
    rows = [["what", "found", "wanted"]]
    rows.append(["disk sync of 4 KiB, p50", f"{median(machine['disk'], 'p50'):.2f} ms", ""])
    if machine["bare"]:
        bare = median(machine["bare"], "produce_to_consume_ms", "p50")
        rows.append(["bare produce -> consume, p50", f"{bare:.2f} ms", ""])
    for name, needs, find, shown, _ in COMMON:
        if new[needs]:
            rows.append([name, shown.format(find(new)), limits.get(name, "")])
    for name, find, shown in UPLOADS:
        rows.append([name, shown.format(find(new)), limits[name]])
    return rows


def beside(new, old):
    """Every figure of both, with the one of this program over the one before."""
    rows = [["what", "this", "before", "this / before", "better"]]
    for name, needs, find, shown, less in COMMON:
        if new[needs] and old[needs]:
            ours, theirs = find(new), find(old)
            ratio = f"{ours / theirs:.2f} x" if theirs else "-"
            rows.append([name, shown.format(ours), shown.format(theirs), ratio, "less" if less else "more"])
    return rows


def full_sync(found):
    """What full sync takes; the last column says whether that is what is wanted."""
    lengths = found["lengths"]
    few, many, repaired = (f"{lengths[name]:,}" for name in ("few", "many", "repaired"))
    of = lambda name, *path: median(found[name], *path)
    kib, mib = 1 << 10, 1 << 20
    rclone = {name: of(f"rclone_{name}", "seconds") for name in ("default", "tuned")}
    fastest = min(rclone, key=rclone.get)
    least = min(of(f"rclone_{name}", "wire") for name in rclone)
    deep = of("deep") / of("sha256sum")
    tree = {size: 100 * (of(f"commits_{size}") / of(f"commits_{size}_without") - 1) for size in (64, 4096)}
    memory = {name: max(found[f"{name}_peak"]) for name in ("few", "many")}
    kept = of("commits_4096") - of("commits_4096_without")
    # What it is, found, how that is shown, wanted, and whether it is met.
    lines = [
        (f"{many} objects, equal: time", of("many_equal", "seconds"), "{:.3f} s", "< 1 s", lambda it: it < 1),
        ("the same, bytes over the link", of("many_equal", "wire") / kib, "{:.1f} KiB", "< 64 KiB", lambda it: it < 64),
        (f"100 of {many} keys differ: time", of("many_differ", "seconds"), "{:.3f} s", "< 2 s", lambda it: it < 2),
        ("the same, bytes besides the objects", of("many_differ", "beside") / mib, "{:.2f} MiB", "< 1 MiB",
         lambda it: it < 1),
        (f"100 of {repaired} objects missing: full sync", of("repaired", "seconds"), "{:.2f} s", "", None),
        ("the same, `rclone sync --checksum --fast-list`", rclone["default"], "{:.2f} s", "", None),
        ("the same, with 32 checkers and transfers", rclone["tuned"], "{:.2f} s", "", None),
        (f"time of rclone ({fastest}) / full sync", rclone[fastest] / of("repaired", "seconds"), "{:,.0f} x",
         ">= 20 x", lambda it: it >= 20),
        ("bytes of full sync", of("repaired", "wire") / mib, "{:.2f} MiB", "", None),
        ("bytes of rclone / full sync", least / of("repaired", "wire"), "{:,.0f} x", ">= 100 x",
         lambda it: it >= 100),
        ("CPU of a commit of 4 KiB, more with the tree", tree[4096], "{:.1f} %", "< 10 %", lambda it: it < 10),
        ("the same of 64 bytes", tree[64], "{:.1f} %", "< 10 %", lambda it: it < 10),
        ("the tree's part of a PUT of 4 KiB, a site alone", 100 * kept / of("put_ms"), "{:.0f} %", "", None),
        ("deep mode", of("deep"), "{:,.0f} MiB/s", "", None),
        ("deep mode / `sha256sum` of the same files", 100 * deep, "{:.0f} %", ">= 60 %", lambda it: it >= 60),
        ("deep mode / `openssl dgst -sha256` of them", 100 * of("deep") / of("openssl"), "{:.0f} %", "", None),
        (f"largest memory of a site, {few} objects", memory["few"], "{:.0f} MiB", "< 200 MiB", lambda it: it < 200),
        (f"the same, {many} objects", memory["many"], "{:.0f} MiB", "< 200 MiB", lambda it: it < 200),
        (f"memory of {many} / {few} objects", memory["many"] / memory["few"], "{:.2f} x", "<= 1.1 x",
         lambda it: it <= 1.1),
        (f"of it, for 100 of {few} keys that differ", of("few_differ", "added"), "{:.1f} MiB", "", None),
        (f"the same of {many}", of("many_differ", "added"), "{:.1f} MiB", "", None),
    ]
    rows = [["what", "found", "wanted", ""]]
    for name, value, shown, limit, met in lines:
        verdict = "" if met is None else "met" if met(value) else "missed"
        rows.append([name, shown.format(value), limit, verdict])
    return rows


def endpoint(found):
    """What the S3 endpoint gives, beside the program before if there is one."""
    new, old = found["new"], found.get("old")
    middle = lambda rounds, name: statistics.median(rounds[name])
    rows = [["what", "this", "before", "this / before", "wanted"]]
    for name in (name for name in new if name.startswith(("put ", "get "))):
        cpu = name.endswith("cpu_ms")
        shown = "{:.3f} ms" if cpu else "{:,.1f}/s"
        told = name.replace(" cpu_ms", ", CPU of each").upper().replace("KIB", "KiB").replace("MIB", "MiB")
        row = [told.replace(", CPU OF EACH", ", CPU of each"), shown.format(middle(new, name)), "", "", ""]
        if old:
            row[2] = shown.format(middle(old, name))
            row[3] = f"{middle(new, name) / middle(old, name):.2f} x"
            row[4] = "" if cpu else ">= 0.95 x"
        rows.append(row)
    keys = found["lengths"]["keys"]
    for name in (name for name in new if name.startswith("page ")):
        rows.append([f"{name} of {keys:,} keys", f"{middle(new, name):.1f} ms", "", "", "< 10 ms"])
    peaks = [f"{max(one['uploads_peak_mib']):.0f} MiB" if one else "" for one in (new, old)]
    rows.append(["largest memory, 64 clients put 64 MiB each", *peaks, "", "< 300 MiB"])
    return rows


def markdown(rows):
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "| " + " | ".join("---" for _ in rows[0]) + " |", *rest])
