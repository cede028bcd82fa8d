"""A shell that stands for a machine: a home folder, a search path, and whatever it leaves running."""

import os
import re
import signal
import subprocess
import threading

_DONE = "-- the block is done --"
_BLOCK_SECONDS = 60
# What a shell remarks when a program that it started was killed; a reader's says it another way.
_REMARK = re.compile(r"^bash: line \d+: +\d+ Killed ")


class Machine:
    """One `bash` for all blocks, so that variables and folders stay, as in a reader's shell."""

    def __init__(self, name, home, path):
        self.name, self.home = name, home
        home.mkdir()
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TOWLINE_"))}
        environment |= {"HOME": str(home), "PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail"],
            cwd=home, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def run(self, text):
        """Runs a block; what it printed. A command that fails, or hangs, is an error."""
        timer = threading.Timer(_BLOCK_SECONDS, self.end)
        timer.start()
        try:
            self.shell.stdin.write(f"{text}\necho '{_DONE}'\n")
            self.shell.stdin.flush()
            printed = ""
            for line in self.shell.stdout:
                if line == f"{_DONE}\n":
                    return printed
                if not _REMARK.match(line):
                    printed += line
        finally:
            timer.cancel()
        raise AssertionError(f"on {self.name} a command failed or took too long:\n{text}\n{printed}")

    def end(self):
        """Ends the shell and all that it started: they are one process group."""
        try:
            os.killpg(self.shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.shell.wait()
