"""What the program says of itself: completions, manual, health, and examples with usage errors."""

import os
import shutil
import subprocess

import pytest

from harness.site import BINARY, Site, free_ports

SHELLS = ["bash", "zsh", "fish", "elvish", "powershell"]


def completed(script, *words):
    """What bash offers for the last of these words."""
    ask = f"""
        source {script}
        COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1}
        _towline towline {words[-1]} {words[-2]}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return Site.run("bash", "-c", ask).stdout.split()


def test_completions_work_in_bash_and_parse_in_the_others(tmp_path):
    for shell in SHELLS:
        script = tmp_path / shell
        script.write_text(Site.run(BINARY, "completions", shell).stdout)
        assert "new-epoch" in script.read_text()
        if shell in ("bash", "zsh", "fish") and shutil.which(shell):
            Site.run(shell, "-n", script)
    assert completed(tmp_path / "bash", "towline", "sto") == ["store"]
    assert completed(tmp_path / "bash", "towline", "store", "new") == ["new-epoch"]
    assert "--url" in completed(tmp_path / "bash", "towline", "health", "--")


def test_a_reader_of_completions_that_goes_away_is_one_line():
    reader, writer = os.pipe()
    os.close(reader)
    outcome = subprocess.run(
        [BINARY, "completions", "bash"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1 and "standard output" in outcome.stderr


def test_the_manual_has_a_page_for_every_command(tmp_path):
    written = Site.run(BINARY, "man", "--dir", tmp_path / "man1").stdout.split()
    assert {"towline.1", "towline-site.1", "towline-store-remove-site.1"} <= {
        path.rsplit("/", 1)[1] for path in written
    }
    for path in written:
        text = open(path).read()
        assert "EXIT STATUS" in text and "EXAMPLES\n" in text, path
        if shutil.which("man"):
            said = subprocess.run(
                ["man", "--warnings", "-l", path], capture_output=True, text=True, check=True,
                env={**os.environ, "MANROFFSEQ": "", "MANWIDTH": "80"},
            )
            assert said.stderr == "", said.stderr


def test_the_manual_goes_nowhere_if_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    outcome = Site.run(BINARY, "man", "--dir", tmp_path / "file", code=1)
    assert outcome.stderr.count("\n") == 1 and "--dir" in outcome.stderr


@pytest.mark.parametrize(
    "words, example",
    [
        (["site"], "towline site --config site.toml"),
        (["config", "check", "--nonsense"], "towline config check --config site.toml"),
        (["store", "remove-site"], "towline store remove-site west --config site.toml"),
        (["health"], "towline health --config site.toml"),
        (["completions", "dos"], "towline completions bash"),
        (["man"], "towline man --dir man1"),
        (["fullsync", "run", "--both"], "towline fullsync run --dry-run --config site.toml"),
        (["nonsense"], "towline demo"),
    ],
)
def test_a_usage_error_shows_a_line_that_works(words, example):
    outcome = Site.run(BINARY, *words, code=2)
    assert f"Example: {example}" in outcome.stderr
    assert outcome.stdout == ""


def test_health_is_a_line_and_an_exit_code(make_pair):
    east = make_pair().start().east
    ready = Site.run(BINARY, "health", "--config", east.config)
    assert ready.stdout == f"http://127.0.0.1:{east.admin_port}/health/ready: ok\n"
    url = f"http://127.0.0.1:{east.admin_port}"
    assert Site.run(BINARY, "health", "--live", "--url", url).stdout == f"{url}/health/live: ok\n"
    # A path of one's own is asked as it is.
    missing = Site.run(BINARY, "health", "--url", f"{url}/nothing", code=1)
    assert missing.stderr == f"towline: {url}/nothing: no such path\n"
    anywhere = ["--set", f"admin.listen=0.0.0.0:{east.admin_port}", "--set", "admin.plain_http=true"]
    Site.run(BINARY, "health", "--config", east.config, *anywhere)


def test_health_of_nobody_is_exit_code_1():
    (port,) = free_ports(1)
    outcome = Site.run(BINARY, "health", "--url", f"http://127.0.0.1:{port}", code=1)
    assert outcome.stderr.count("\n") == 1 and "does not answer" in outcome.stderr
    outcome = Site.run(BINARY, "health", "--url", "https://127.0.0.1", code=2)
    assert "write it like" in outcome.stderr
