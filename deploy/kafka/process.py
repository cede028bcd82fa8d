"""A process that is told from a later one with the same pid."""

import contextlib
import os
import time
from pathlib import Path


class Process:
    """A pid together with the start time of its process, in clock ticks since boot."""

    def __init__(self, pid, started):
        self.pid, self.started = pid, started

    def alive(self):
        try:
            # The name, in parentheses, may hold anything; field 3 (state) and 22 (start time) come after it.
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] not in "ZX" and int(fields[19]) == self.started

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            if self.alive():
                os.kill(self.pid, number)

    def wait_gone(self, deadline):
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True
