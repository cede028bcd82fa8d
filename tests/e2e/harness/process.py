"""Child processes that never outlive the test run."""

import ctypes
import signal
import subprocess

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, **options):
    """Starts a process that the kernel ends when this one goes."""
    command = [str(part) for part in command]
    return subprocess.Popen(command, preexec_fn=_die_with_parent, **options)
