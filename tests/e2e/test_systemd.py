"""The unit: systemd takes it, it exposes little, and a site does its work within its limits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import sandbox
from harness.same import shown, until_same
from harness.site import BINARY, ROOT, Site
from harness.until import until

UNITS = ROOT / "deploy" / "systemd"
UNIT = UNITS / "towline.service"
# systemd's measure, 0 to 10: a service on the network cannot come below about 1.
EXPOSURE_MAX = 1.5



@pytest.fixture
def units(tmp_path):
    """The units with the program under test in them, so that systemd finds one."""
    copies = {}
    for unit in UNITS.iterdir():
        copies[unit.name] = tmp_path / unit.name
        copies[unit.name].write_text(unit.read_text().replace("/usr/bin/towline", str(BINARY)))
    return copies


def test_systemd_finds_nothing_wrong_with_the_units(units):
    assert set(units) == {"towline.service", "towline-fullsync.service", "towline-fullsync.timer"}
    said = Site.run("systemd-analyze", "verify", "--man=no", *units.values())
    assert said.stdout + said.stderr == ""


@pytest.mark.parametrize("name", ["towline.service", "towline-fullsync.service"])
def test_the_units_expose_little(units, name):
    limit = f"--threshold={EXPOSURE_MAX * 10:.0f}"
    Site.run("systemd-analyze", "security", "--offline=yes", "--no-pager", limit, units[name])


def test_the_timer_starts_a_full_sync_that_the_program_knows(units):
    calendar = [line for line in units["towline-fullsync.timer"].read_text().splitlines()
                if line.startswith("OnCalendar=")]
    Site.run("systemd-analyze", "calendar", calendar[0].removeprefix("OnCalendar="))
    [start] = sandbox.settings(units["towline-fullsync.service"])["ExecStart"]
    program, *words = start.split()
    assert words[-2:] == ["--config", "/etc/towline/site.toml"]
    Site.run(program, *words[:-2], "--help")


def test_the_sandbox_of_these_tests_refuses_what_the_unit_does():
    tries = """
import mmap, os, socket
socket.socket()
for what in (
    lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    lambda: os.nice(1),
    lambda: os.chroot("/"),
):
    try:
        what()
    except PermissionError:
        print("refused")
"""
    command = [sys.executable, sandbox.__file__, UNIT, sys.executable, "-c", tries]
    assert Site.run(*command).stdout.split() == ["refused"] * 4


def test_a_pair_does_its_work_within_the_limits_of_the_unit(make_pair):
    pair = make_pair("kafka")
    for site in pair.sites:
        site.under = [sys.executable, sandbox.__file__, UNIT]
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="confined")
    for size in (0, 10_000, 3_000_000):
        east.put_object(Bucket="confined", Key=f"{size}", Body=os.urandom(size))
    for key in until_same(east, west, "confined"):
        assert shown(west, "confined", key) == shown(east, "confined", key)
    east.delete_object(Bucket="confined", Key="0")
    until_same(east, west, "confined")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    assert pair.east.metric("process_resident_bytes") > 0
    status = Path(f"/proc/{pair.east.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    # Both stop in order, and the fixture reads their logs.


def test_the_unit_keeps_its_state_where_the_example_configuration_has_it():
    found = sandbox.settings(UNIT)
    assert found["StateDirectory"] == ["towline"]
    for name in ("primary", "secondary"):
        text = (ROOT / "deploy" / f"{name}.toml").read_text()
        assert 'data = "/var/lib/towline"' in text


def test_a_wrong_configuration_ends_with_the_code_that_the_unit_does_not_restart_on(tmp_path):
    code = sandbox.settings(UNIT)["RestartPreventExitStatus"]
    config = tmp_path / "site.toml"
    config.write_text("[site]\nnonsense = 1\n")
    outcome = subprocess.run([BINARY, "site", "--config", config], capture_output=True)
    assert [str(outcome.returncode)] == code
