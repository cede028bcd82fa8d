"""The tools that people point at S3: each writes at the primary, each result is at the secondary."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from harness.same import shown, until_same
from harness.site import SECRET, Site

MIB = 1 << 20


@pytest.fixture
def files(tmp_path):
    """A folder of files of several sizes, one of them large enough for parts."""
    folder = tmp_path / "files"
    (folder / "sub dir").mkdir(parents=True)
    for name, size in [("empty", 0), ("small", 1_000), ("large", 40 * MIB), ("sub dir/ü", 70_000)]:
        (folder / name).write_bytes(os.urandom(size))
    return folder


def digests(folder):
    """Digest by name of every file below a folder."""
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    name = lambda path: path.relative_to(folder).as_posix()
    return {name(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def check(pair, bucket, folder, prefix=""):
    """Every file of the folder is an object at both sites."""
    east, west = pair.east.client(), pair.west.client()
    until_same(east, west, bucket)
    for name, digest in digests(folder).items():
        for site in (east, west):
            assert shown(site, bucket, prefix + name)["sha256"] == digest, name


@pytest.fixture(autouse=True)
def nothing_inherited(monkeypatch):
    """No setting of the machine reaches the clients."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "RCLONE_"))]:
        monkeypatch.delenv(name)


def installed(name):
    found = shutil.which(name)
    assert found, f"`{name}` is not installed; tests/run installs it"
    return found


def test_aws(pair, files, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "root")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    aws = lambda site, *words: Site.run(
        sys.executable, "-m", "awscli", "--endpoint-url", f"http://127.0.0.1:{site.s3_port}", *words
    )
    aws(pair.east, "s3", "mb", "s3://aws")
    aws(pair.east, "s3", "sync", files, "s3://aws/up")
    check(pair, "aws", files, "up/")
    # Larger than its threshold, so it copies in parts.
    aws(pair.east, "s3", "cp", "s3://aws/up/large", "s3://aws/copy/large")
    aws(pair.east, "s3", "mv", "s3://aws/up/small", "s3://aws/copy/small")
    until_same(pair.east.client(), pair.west.client(), "aws")
    aws(pair.west, "s3", "sync", "s3://aws/copy", tmp_path / "back")
    wanted = digests(files)
    assert digests(tmp_path / "back") == {name: wanted[name] for name in ("large", "small")}
    refused = Site.run(
        sys.executable,
        "-m",
        "awscli",
        "--endpoint-url",
        f"http://127.0.0.1:{pair.west.s3_port}",
        "s3",
        "cp",
        files / "small",
        "s3://aws/refused",
        code=1,
    )
    assert "AccessDenied" in refused.stderr and pair.east.name in refused.stderr
    aws(pair.east, "s3", "rb", "--force", "s3://aws")


def test_rclone(pair, files, tmp_path):
    config = tmp_path / "rclone.conf"
    sections = [
        f"[{name}]\ntype = s3\nprovider = Other\naccess_key_id = root\n"
        f"secret_access_key = {SECRET}\nendpoint = http://127.0.0.1:{site.s3_port}\n"
        for name, site in (("east", pair.east), ("west", pair.west))
    ]
    config.write_text("\n".join(sections))
    rclone = lambda *words: Site.run(installed("rclone"), "--config", config, *words)
    rclone("mkdir", "east:rclone")
    # Parts of 5 MiB, four at a time.
    rclone("sync", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", files, "east:rclone/a")
    check(pair, "rclone", files, "a/")
    rclone("copy", "east:rclone/a", "east:rclone/b")
    rclone("moveto", "east:rclone/a/small", "east:rclone/b/moved")
    until_same(pair.east.client(), pair.west.client(), "rclone")
    rclone("check", "--download", "east:rclone", "west:rclone")
    rclone("sync", "west:rclone/b", tmp_path / "back")
    wanted = digests(files)
    assert digests(tmp_path / "back") == {**wanted, "moved": wanted["small"]}
    rclone("purge", "east:rclone")


def test_s3cmd(pair, files, tmp_path):
    def s3cmd(site, *words):
        host = f"127.0.0.1:{site.s3_port}"
        keys = ["--access_key=root", f"--secret_key={SECRET}"]
        hosts = [f"--host={host}", f"--host-bucket={host}", "--no-ssl", "--no-progress"]
        none = f"--config={tmp_path / 'none'}"
        return Site.run(installed("s3cmd"), none, *keys, *hosts, *words)

    (tmp_path / "none").write_text("")
    s3cmd(pair.east, "mb", "s3://s3cmd")
    s3cmd(pair.east, "put", "--recursive", "--multipart-chunk-size-mb=5", f"{files}/", "s3://s3cmd")
    check(pair, "s3cmd", files)
    s3cmd(pair.east, "cp", "s3://s3cmd/large", "s3://s3cmd/copied")
    s3cmd(pair.east, "modify", "--add-header=x-amz-meta-colour:blue", "s3://s3cmd/small")
    until_same(pair.east.client(), pair.west.client(), "s3cmd")
    assert (
        pair.west.client().head_object(Bucket="s3cmd", Key="small")["Metadata"]["colour"] == "blue"
    )
    (tmp_path / "back").mkdir()
    s3cmd(pair.west, "get", "--recursive", "s3://s3cmd/", f"{tmp_path / 'back'}/")
    wanted = digests(files)
    assert digests(tmp_path / "back") == {**wanted, "copied": wanted["large"]}
    s3cmd(pair.east, "rb", "--recursive", "--force", "s3://s3cmd")


def test_restic(pair, files, tmp_path, monkeypatch):
    """A backup is written at the primary, and checked and restored at the secondary."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "root")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("RESTIC_PASSWORD", "of the backup")

    def restic(site, *words):
        where = ["--no-cache", "--repo", f"s3:http://127.0.0.1:{site.s3_port}/restic"]
        return Site.run(installed("restic"), *where, *words)

    restic(pair.east, "init")
    restic(pair.east, "backup", files)
    (files / "small").write_bytes(b"changed since")
    restic(pair.east, "backup", files)
    restic(pair.east, "check", "--read-data")
    until_same(pair.east.client(), pair.west.client(), "restic")
    # A secondary takes no locks, as it takes no writes.
    restic(pair.west, "--no-lock", "check", "--read-data")
    restic(pair.west, "--no-lock", "restore", "latest", "--target", tmp_path / "back")
    assert digests(tmp_path / "back" / files.relative_to("/")) == digests(files)
