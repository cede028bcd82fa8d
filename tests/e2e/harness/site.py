"""A towline site as its own process, with its configuration, its log and its S3 client."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

from .process import start
from .until import until

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "deploy" / "kafka"))

from ports import free_ports  # noqa: E402

BINARY = ROOT / "target" / "debug" / "towline"
SECRET = "a-secret-key-for-tests"
TOKEN = "an-admin-token-for-tests"
# Lines that a site may log at WARN in any test: none.
_BAD = re.compile(r"\b(WARN|ERROR)\b|panicked")


class Site:
    """One site. Its folder holds `site.toml`, `data` and `log`."""

    def __init__(self, name, folder, certs, peer, kafka=None):
        self.name, self.folder, self.certs, self.peer = name, Path(folder), Path(certs), peer
        self.folder.mkdir(parents=True, exist_ok=True)
        self.s3_port, self.admin_port, self.link_port = free_ports(3)
        self.origin = None
        # Lines of the configuration behind `[[origin]]`.
        self.origin_keys = []
        self.token = TOKEN
        self.kafka = kafka
        self.settings = {}
        self.process = None
        self.allowed = []
        # What runs the program, if not this one itself.
        self.under = []
        # The program of an earlier release, if it runs one; it knows no newer settings.
        self.release = None

    @staticmethod
    def binary():
        """The program under test."""
        return BINARY

    @staticmethod
    def run(*command, code=0):
        """Runs a command to its end, which must be this exit code."""
        command = [str(part) for part in command]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert outcome.returncode == code, (outcome.returncode, outcome.stdout, outcome.stderr)
        return outcome

    @property
    def config(self):
        return self.folder / "site.toml"

    @property
    def log(self):
        return self.folder / "log"

    def follow(self, origin, **options):
        """Makes this site a secondary of another, with these keys in its `[[origin]]`."""
        self.origin = (origin.name, origin.link_port)
        self.origin_keys = [f"{key} = {toml(value)}" for key, value in options.items()]

    def set(self, key, value):
        """Sets one key from the next start on."""
        self.settings[key] = value

    def unset(self, key):
        """Leaves one key as it is by itself, from the next start on."""
        del self.settings[key]

    def allow(self, *patterns):
        """These log lines at WARN or ERROR are expected."""
        self.allowed += patterns

    def write_config(self):
        certs, name = self.certs, self.name
        sections = {
            "site": {"name": name, "data": "data"},
            "s3": {
                "listen": f"127.0.0.1:{self.s3_port}",
                "root_access_key": "root",
                "root_secret_key": SECRET,
            },
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "keys": {"file": f"{certs}/class.key"},
            "link": {
                "listen": f"127.0.0.1:{self.link_port}",
                "ca": f"{certs}/ca.pem",
                "cert": f"{certs}/{name}.pem",
                "key": f"{certs}/{name}.key",
                "allow": [self.peer],
            },
        }
        if self.token and not self.release:
            sections["admin"]["token"] = self.token
        if self.kafka:
            tls = self.kafka["tls"]
            sections["kafka"] = {"bootstrap": self.kafka["bootstrap"], **tls}
        for key, value in self.settings.items():
            section, name = key.split(".")
            sections.setdefault(section, {})[name] = value
        lines = []
        for section, keys in sections.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {toml(value)}" for key, value in keys.items()]
        if self.origin:
            origin, port = self.origin
            lines += ["[[origin]]", f'name = "{origin}"', f'link = "127.0.0.1:{port}"']
            lines += self.origin_keys
        # Whole or not at all, and for its owner alone: it holds a secret, and may be read now.
        new = self.config.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text("\n".join(lines) + "\n")
        new.rename(self.config)

    def reload(self):
        """Makes a running site take on what was set, and waits until it has."""
        self.write_config()
        before = self.metric("config_reloads_total")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.metric("config_reloads_total") > before, "settings were read again")

    def start(self, **environment):
        """Starts the process and waits until it is ready."""
        self.launch(**environment)
        until(self.answers, f"site {self.name} is up; see {self.log}")
        return self

    def launch(self, **environment):
        """Starts the process without waiting."""
        self.write_config()
        with self.log.open("ab") as log:
            program = self.release or BINARY
            command = [*self.under, program, "site", "--config", self.config]
            self.process = start(command, stdout=log, stderr=log, env={**os.environ, **environment})

    def answers(self):
        """Whether it is up. A process that has ended will never be."""
        if self.process.poll() is not None:
            raise SystemExit(f"site {self.name} ended with {self.process.returncode}; {self.log}")
        return self.get("/health/live")[0] == 200

    def get(self, path):
        """Status and text of a path on the admin listener."""
        try:
            url = f"http://127.0.0.1:{self.admin_port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def link(self, path, *options, by=None):
        """The command that asks this site's link, by the certificate of its peer or of another."""
        by = by or self.peer
        command = ["curl", "--silent", "--show-error", "--fail", "--no-buffer", "--http2"]
        # Its certificate has the site's name, not that of this machine.
        command += ["--insecure", "--cert", self.certs / f"{by}.pem", "--key", self.certs / f"{by}.key"]
        return [*command, *options, f"https://127.0.0.1:{self.link_port}{path}"]

    def api(self, method, path, body=None, token=TOKEN):
        """Status and answer of a path of the admin API."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def command(self, *words, code=0):
        """Runs `towline` on this running site, to its end."""
        return self.run(BINARY, *words, "--config", self.config, code=code)

    def ask(self, *words, code=0):
        """The JSON that a command prints."""
        return json.loads(self.command(*words, "--json", code=code).stdout)

    def metric(self, name, **labels):
        """One metric, or the sum of all that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            found = re.fullmatch(r"towline_(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if all(has.get(label) == value for label, value in labels.items()):
                    total += float(found[3])
        return total

    def stop(self):
        """Stops it in order; says what it ended with."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
        return self.process and self.process.returncode

    def kill(self):
        """Ends it as a power cut does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=30)

    def unexpected(self):
        """Log lines at WARN or ERROR that nobody expected."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        bad = [line for line in lines if _BAD.search(line)]
        return [line for line in bad if not any(re.search(p, line) for p in self.allowed)]

    def client(self, keys=("root", SECRET), **options):
        """An S3 client of this site, by these keys."""
        options = {"retries": {"max_attempts": 1}, "max_pool_connections": 50, **options}
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.s3_port}",
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            region_name="us-east-1",
            config=Config(**options),
        )


def toml(value):
    """A value as TOML writes it, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def make_certs(folder, *names):
    """A CA, a certificate for each name and a class key."""
    command = [BINARY, "certs", "--dir", folder, *names]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return folder
