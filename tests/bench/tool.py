"""The load tool, as the benchmarks run it."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"


def bench(*arguments):
    """One run of the load tool."""
    command = [str(RELEASE / "bench"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)


class Counter:
    """Carries what is said to its own `port` to another, and counts the bytes of both ways."""

    def __init__(self, port):
        command = [str(RELEASE / "bench"), "count", "--target", f"127.0.0.1:{port}"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.port = self._next()["port"]

    def bytes(self):
        """All that it has carried so far."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._next()["bytes"]

    def _next(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.communicate()
