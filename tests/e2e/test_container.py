"""The container, without an engine: its instructions, and a site in the file system of its image."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from harness.process import start
from harness.site import BINARY, ROOT, SECRET, Site, free_ports, make_certs
from harness.until import until

FOLDER = ROOT / "deploy" / "container"
USER = 10001

rooted = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root folder")


def instructions():
    """Each as its name and the rest, with continued lines joined."""
    text = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [line.split(None, 1) for line in lines if line and line[0] != "#"]


def stages():
    """The instructions of each stage, `FROM` first."""
    found = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def test_the_instructions_parse_and_what_they_name_exists():
    build, image = stages()
    known = "FROM RUN WORKDIR COPY USER ENV VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split()
    assert {name for name, _ in build + image} <= set(known)
    toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert build[0][1] == f"rust:{toolchain.rsplit('.', 1)[0]}-bookworm AS build"
    assert ("FROM", "scratch") == image[0] and ("COPY", "--from=build /rootfs /") in image
    for name, rest in build:
        for script in re.findall(r"\b(deploy/\S+)", rest if name == "RUN" else ""):
            assert os.access(ROOT / script, os.X_OK), script
    last = dict(image)
    assert last["USER"] == f"{USER}:{USER}"
    assert last["VOLUME"] == "/var/lib/towline" and last["EXPOSE"] == "9000 9001"
    assert json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"]) == ["/usr/bin/towline", "site"]
    health = json.loads(last["HEALTHCHECK"].split("CMD ", 1)[1])
    assert health[0] == "/usr/bin/towline"
    Site.run(BINARY, *health[1:], "--help")
    for name in ("primary", "secondary"):
        text = (ROOT / "deploy" / f"{name}.toml").read_text()
        assert f'data = "{last["VOLUME"]}"' in text


def test_secrets_and_builds_are_kept_out_of_the_context():
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    assert {"target", ".git", "**/*.key", "**/*.secret"} <= set(ignored)
    assert (ROOT / ".dockerignore").resolve() == ROOT / ".containerignore"
    # Nothing that the build needs is among them.
    tracked = Site.run("git", "-C", ROOT, "ls-files", "*.key", "*.secret").stdout.split()
    assert tracked == []


def test_the_layout_needs_a_binary_and_a_folder():
    assert "try deploy/container/rootfs" in Site.run(FOLDER / "rootfs", code=2).stderr


@pytest.fixture
def image(tmp_path):
    """The file system of the image, with a configuration in it."""
    root = tmp_path / "image"
    tmp_path.chmod(0o755)
    Site.run(FOLDER / "rootfs", BINARY, root)
    make_certs(root / "etc/towline", "east")
    for path in (root / "etc/towline").iterdir():
        os.chown(path, USER, USER)
    return root


def inside(root, *command):
    """The command that runs another with this folder as its root, as the user of the image."""
    return ["chroot", f"--userspec={USER}:{USER}", root, "/usr/bin/towline", *command]


@rooted
def test_a_site_runs_in_the_file_system_of_the_image(image):
    s3, admin, link = free_ports(3)
    (image / "etc/towline/site.toml").write_text(
        f"""
        site = {{ name = "east", data = "/var/lib/towline" }}
        s3 = {{ listen = "127.0.0.1:{s3}", root_access_key = "root", root_secret_key = "{SECRET}" }}
        admin = {{ listen = "127.0.0.1:{admin}" }}
        keys = {{ file = "class.key" }}
        link = {{ listen = "127.0.0.1:{link}", ca = "ca.pem", cert = "east.pem", key = "east.key" }}
        """
    )
    environment = {**os.environ, **dict([dict(stages()[1])["ENV"].split("=")])}
    log = image.parent / "log"
    with log.open("wb") as out:
        site = start(inside(image, "site"), stdout=out, stderr=out, env=environment)
    try:
        ask = inside(image, "health", "--live")
        healthy = lambda: subprocess.run(ask, env=environment).returncode == 0
        until(healthy, f"the site is up; see {log}")
        status = Path(f"/proc/{site.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{USER}\t", status, re.MULTILINE)
        assert (image / "var/lib/towline/format").exists()
    finally:
        site.terminate()
        assert site.wait(timeout=30) == 0, log.read_text()
    assert not healthy()


@rooted
def test_the_image_is_small_and_holds_nothing_else(image):
    names = {str(p.relative_to(image)) for p in image.rglob("*") if p.is_file()}
    libraries = {name for name in names if re.match(r"(usr/)?lib", name)}
    own = {name for name in names - libraries if not name.startswith("etc/towline/")}
    assert own == {"usr/bin/towline", "etc/passwd", "etc/group", "etc/nsswitch.conf"}
    assert 3 <= len(libraries) <= 10
    assert sum((image / name).stat().st_size for name in libraries) < 10 << 20
    owner = (image / "var/lib/towline").stat()
    assert (owner.st_uid, owner.st_gid) == (USER, USER)
