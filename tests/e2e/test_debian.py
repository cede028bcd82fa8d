"""The Debian package: built, looked into, unpacked, and run from where it was unpacked."""

import gzip
import os
import re
import shutil
import stat
import subprocess
import tomllib

import pytest

from harness import sandbox
from harness.site import BINARY, ROOT, Site

BUILD = ROOT / "deploy" / "debian" / "build"


# Every file but the pages of the manual.
FILES = {
    "etc/towline/site.toml": 0o640,
    "usr/bin/towline": 0o755,
    "usr/lib/systemd/system/towline.service": 0o644,
    "usr/lib/systemd/system/towline-fullsync.service": 0o644,
    "usr/lib/systemd/system/towline-fullsync.timer": 0o644,
    "usr/lib/sysusers.d/towline.conf": 0o644,
    "usr/share/bash-completion/completions/towline": 0o644,
    "usr/share/fish/vendor_completions.d/towline.fish": 0o644,
    "usr/share/zsh/vendor-completions/_towline": 0o644,
    "usr/share/lintian/overrides/towline": 0o644,
    **{
        f"usr/share/doc/towline/{name}": 0o644
        for name in (
            "changelog.gz", "copyright", "libraries.gz",
            "admin.md", "configuration.md", "metrics.md", "openapi.json", "quickstart.md",
            "roadmap.md", "semantics.md",
            "examples/every-key.toml", "examples/primary.toml", "examples/secondary.toml",
        )
    },
}


def build():
    """Makes the package; quickly, so it is larger than one for users."""
    environment = {**os.environ, "DPKG_DEB_COMPRESSOR_LEVEL": "0"}
    said = subprocess.run(
        [BUILD, "--binary", BINARY], env=environment, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return ROOT / said.stdout.strip()


@pytest.fixture(scope="module")
def package():
    return build()


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    root = tmp_path_factory.mktemp("unpacked")
    Site.run("dpkg-deb", "-x", package, root)
    return root


def field(package, name):
    return Site.run("dpkg-deb", "-f", package, name).stdout.strip()


def test_the_package_holds_what_it_should_with_the_right_modes(package, unpacked):
    found = {
        str(path.relative_to(unpacked)): stat.S_IMODE(path.stat().st_mode)
        for path in unpacked.rglob("*")
        if path.is_file()
    }
    pages = {name for name in found if name.startswith("usr/share/man/man1/")}
    assert {name: mode for name, mode in found.items() if name not in pages} == FILES
    assert stat.S_IMODE((unpacked / "etc/towline").stat().st_mode) == 0o750
    manual = {f"usr/share/man/man1/{name}.1.gz" for name in commands(unpacked)}
    assert pages == manual and {found[page] for page in pages} == {0o644}
    owners = Site.run("dpkg-deb", "-c", package).stdout
    assert {line.split()[1] for line in owners.splitlines()} == {"root/root"}


def commands(unpacked):
    """Pages that the program in the package would write."""
    written = Site.run(unpacked / "usr/bin/towline", "man", "--dir", unpacked.parent / "man1").stdout
    return [line.rsplit("/", 1)[1].removesuffix(".1") for line in written.split()]


def test_its_name_version_and_dependencies_are_those_of_the_program(package, unpacked):
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    version, arch = field(package, "Version"), field(package, "Architecture")
    assert version == workspace["version"]
    assert package.name == f"towline_{version}_{arch}.deb"
    assert Site.run(unpacked / "usr/bin/towline", "--version").stdout == f"towline {version}\n"
    depends = field(package, "Depends")
    assert re.search(r"\blibc6 \(>= [\d.]+\)", depends) and "sysusers" in depends, depends
    script = Site.run("dpkg-deb", "-I", package, "conffiles").stdout
    assert script.split() == ["/etc/towline/site.toml"]


def test_what_it_says_of_itself_can_be_read(package, unpacked):
    doc = unpacked / "usr/share/doc/towline"
    changes = gzip.decompress((doc / "changelog.gz").read_bytes()).decode()
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1].splitlines()
    first = next(line for line in newest if line.startswith("* "))
    # Between two releases the newest heading has no number yet.
    assert newest[0] in (field(package, "Version"), "Unreleased")
    assert changes.startswith(f"towline ({field(package, 'Version')})")
    assert first.split(":")[0].removeprefix("* ") in " ".join(changes.split())
    libraries = gzip.decompress((doc / "libraries.gz").read_bytes()).decode().splitlines()
    assert any(line.startswith("rdkafka v") for line in libraries)
    assert all(re.fullmatch(r"[\w-]+ v\S+: \S.*", line) for line in libraries), libraries
    page = gzip.decompress((unpacked / "usr/share/man/man1/towline.1.gz").read_bytes()).decode()
    assert "Multi\\-site replication" in page
    Site.run("bash", "-n", unpacked / "usr/share/bash-completion/completions/towline")


def test_the_scripts_and_the_unit_agree(package, unpacked):
    for script in ("postinst", "prerm", "postrm"):
        text = Site.run("dpkg-deb", "-I", package, script).stdout
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    user = (unpacked / "usr/lib/sysusers.d/towline.conf").read_text()
    unit = sandbox.settings(unpacked / "usr/lib/systemd/system/towline.service")
    assert f"\nu {unit['User'][0]} " in user
    program, *_, config = unit["ExecStart"][0].split()
    assert (unpacked / program[1:]).exists() and (unpacked / config[1:]).exists()
    assert f"/var/lib/{unit['StateDirectory'][0]}" in user
    if shutil.which("systemd-sysusers"):
        made = unpacked.parent / "sysusers"
        (made / "etc").mkdir(parents=True, exist_ok=True)
        (made / "usr/lib/sysusers.d").mkdir(parents=True, exist_ok=True)
        shutil.copy(unpacked / "usr/lib/sysusers.d/towline.conf", made / "usr/lib/sysusers.d")
        Site.run("systemd-sysusers", f"--root={made}", "towline.conf")
        assert "towline:" in (made / "etc/passwd").read_text()


def test_a_site_runs_from_the_package(make_pair, unpacked, monkeypatch):
    monkeypatch.setattr("harness.site.BINARY", unpacked / "usr/bin/towline")
    pair = make_pair().start()
    pair.east.client().create_bucket(Bucket="packed")
    assert Site.run(unpacked / "usr/bin/towline", "health", "--config", pair.east.config)


def test_the_same_binary_makes_the_same_package(package):
    before = package.read_bytes()
    assert build().read_bytes() == before


def test_lintian_finds_no_error(package):
    said = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", package],
        capture_output=True, text=True,
    )
    assert said.returncode == 0, said.stdout


def test_what_is_missing_is_said_in_one_line(tmp_path):
    for arguments, code, says in (
        (["--binary", tmp_path / "none"], 1, "no binary at"),
        (["--nonsense"], 2, "try deploy/debian/build"),
    ):
        outcome = Site.run(BUILD, *arguments, code=code)
        assert outcome.stderr.count("\n") == 1 and says in outcome.stderr
