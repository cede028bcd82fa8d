"""docs/quickstart.md, run as a reader would: every block, in order, on clean folders.

The two machines are two folders with a shell each. What differs from a reader's: the addresses are
127.0.0.1 and 127.0.0.2, each with its own loopback address; the ports are free ones, the same at
both; `scp` is a copy between the folders; and for the blocks that are marked as not run, commands
of the system are stood in for by a script that checks what they are asked.
"""

import os
import re
import shutil
import sys

import pytest

from harness.document import blocks
from harness.machine import Machine
from harness.site import BINARY, ROOT, Site, free_ports

DOCUMENT = ROOT / "docs" / "quickstart.md"
PLACES = {"east": "127.0.0.1", "west": "127.0.0.2"}
MARKS = {*PLACES, "unrun", "addresses"}
# What a block that is not run may call, beside what is run as it is.
STOOD_FOR = ["apt", "systemctl", "chown"]

SCP = """#!/bin/sh
# Copies to HOST:PATH, which is a folder of that machine.
for last; do :; done
case $last in
{cases}
*) echo "scp: no host in $last" >&2; exit 1 ;;
esac
while [ $# -gt 1 ]; do
    case $1 in -*) ;; *) cp -p "$1" "$to" ;; esac
    shift
done
"""

RECORD = """#!/bin/sh
echo "$(basename "$0") $*" >>"$RECORD"
"""

SUDO = """#!/bin/sh
# `install -o` and `-g` name a user that is not here.
if [ "$1" = install ]; then
    shift 6 && exec install -d "$@"
fi
exec "$@"
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machines(tmp_path, kafka):
    """Two machines with the program and the certificates for Kafka."""
    # Left over if the cluster outlives this run.
    topics = ["org.apache.kafka.tools.TopicCommand", "--delete", "--if-exists"]
    kafka.tool(*topics, "--topic", "towline.east")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "towline").symlink_to(BINARY)
    cases = [f'{at}:*) to={tmp_path / name}/"${{last#*:}}" ;;' for name, at in PLACES.items()]
    script(tools / "scp", SCP.format(cases="\n".join(cases)))
    path = f"{tools}:{os.path.dirname(sys.executable)}:/usr/local/bin:/usr/bin:/bin"
    made = {name: Machine(name, tmp_path / name, path) for name in PLACES}
    for machine in made.values():
        certs = machine.home / "towline" / "certs"
        certs.mkdir(parents=True)
        for key, name in (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")):
            shutil.copy(kafka.info["tls"][key], certs / f"kafka-{name}")
    yield made
    for machine in made.values():
        machine.end()


def here(text, name, ports):
    """A block, or what it prints, with this machine's loopback address and free ports."""
    text = text.replace("127.0.0.1", PLACES[name])
    return re.sub(r"\b900([0-2])\b", lambda port: str(ports[int(port[1])]), text)


def test_every_command_does_what_the_document_says(machines, kafka):
    ports = free_ports(3)
    addresses = {"EAST": PLACES["east"], "WEST": PLACES["west"], "KAFKA": kafka.info["bootstrap"]}
    for block in blocks(DOCUMENT.read_text()):
        for name in (mark for mark in block.marks if mark in PLACES):
            machine = machines[name]
            if "unrun" in block.marks:
                check_unrun(machine, block, ports)
            elif "addresses" in block.marks:
                assert set(re.findall(r"^(\w+)=\S+$", block.text, re.MULTILINE)) == set(addresses)
                machine.run("\n".join(f"{key}={value}" for key, value in addresses.items()))
            else:
                run(machine, block, ports)
    for name, machine in machines.items():
        log = (machine.home / "towline" / "site.log").read_text()
        bad = [line for line in log.splitlines() if re.search(r"\b(WARN|ERROR)\b|panicked", line)]
        # The document kills the primary: the secondary says that it cannot reach it.
        assert name == "west" or bad == [], bad
        assert all('"east"' in line or "`east`" in line for line in bad), bad


def run(machine, block, ports):
    printed = machine.run(here(block.text, machine.name, ports))
    if block.output is not None:
        wanted = here(block.output, machine.name, ports)
        block = type(block)(block.line, block.marks, block.text, block.above, wanted)
        where = f"{DOCUMENT.name}:{block.line} on {machine.name}"
        assert block.matches(printed), f"{where} printed:\n{printed}\nand not:\n{wanted}"


def check_unrun(machine, block, ports):
    """Runs it against folders of this test; what would change the system is only written down."""
    tools, record = machine.home / "unrun", machine.home / "record"
    tools.mkdir(exist_ok=True)
    record.write_text("")
    for name in STOOD_FOR:
        script(tools / name, RECORD)
    script(tools / "sudo", SUDO)
    root = machine.home / "root"
    for folder in ("etc/towline", "var/lib/towline"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    text = here(block.text, machine.name, ports)
    text = text.replace("/etc/towline", f"{root}/etc/towline")
    text = text.replace("/var/lib/towline", f"{root}/var/lib/towline")
    machine.run(f"(export PATH={tools}:$PATH RECORD={record}\n{text})")
    called = record.read_text().split("\n")
    for line in called:
        if line.startswith("systemctl"):
            unit = line.split()[-1]
            assert (ROOT / "deploy" / "systemd" / f"{unit}.service").exists(), line
    if any(line.startswith("systemctl enable") for line in called):
        config = root / "etc" / "towline" / "site.toml"
        Site.run(BINARY, "config", "check", "--config", config)
        assert not list(config.parent.rglob("ca.key"))
        assert f'data = "{root}/var/lib/towline"' in config.read_text()
        assert (root / "var/lib/towline/format").exists(), "the data came along"


def test_the_document_says_where_each_block_runs_and_which_is_not_run():
    found = blocks(DOCUMENT.read_text())
    assert len(found) > 15
    for block in found:
        where = f"{DOCUMENT.name}:{block.line}"
        assert set(block.marks) <= MARKS and set(block.marks) & set(PLACES), where
        said = set(re.findall(r"\*\*(east|west)\*\*", block.above))
        assert said == set(block.marks) & set(PLACES), f"{where}: above stands {block.above!r}"
        assert ("not run by the test" in block.above) == ("unrun" in block.marks), where
        # Only what needs the system itself may stay unrun.
        assert ("sudo" in block.text) == ("unrun" in block.marks), where


def test_a_document_with_other_output_is_noticed():
    text = "On **east**:\n\n```sh east\ntrue\n```\n\n```text\none … end\n…\nlast\n```\n"
    (block,) = blocks(text)
    assert block.matches("one thing end\nlast\n")
    assert block.matches("one  end\nmore\nand more\nlast\n")
    assert not block.matches("one thing\nlast\n")
    assert not block.matches("one thing end\nlast\nmore\n")
