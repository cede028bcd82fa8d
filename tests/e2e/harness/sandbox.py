"""Runs a program under those limits of a systemd unit that need no systemd to hold.

    python sandbox.py UNIT COMMAND...

These are SystemCallFilter, SystemCallErrorNumber, RestrictAddressFamilies, MemoryDenyWriteExecute,
NoNewPrivileges, UMask and LimitNOFILE. A limit that cannot be set is an error, never left out.
"""

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

# From seccomp.h and prctl.h.
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
_EQUAL = 4


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def settings(unit):
    """Every setting of `[Service]` with its values in order."""
    found, section = {}, None
    for line in Path(unit).read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and line[0] not in "#;":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def system_calls(values):
    """What is allowed by `SystemCallFilter=` lines, in order; the set `@default` always is."""
    allowed = _members("@default")
    for value in values:
        names = set().union(*map(_members, value.removeprefix("~").split()))
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def _members(name):
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name],
        check=True, capture_output=True, text=True,
    )
    lines = [line.strip() for line in said.stdout.splitlines()[1:]]
    return set().union(*(_members(line) for line in lines if line and line[0] != "#"))


def confine(found):
    """Sets the limits on this process, for good."""
    os.umask(int(found["UMask"][-1], 8))
    # A lower limit of this machine stays.
    files = min(int(found["LimitNOFILE"][-1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    libc = ctypes.CDLL(None, use_errno=True)
    if found["MemoryDenyWriteExecute"] == ["yes"]:
        done = libc.prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
        # A kernel before 6.3 knows it not; systemd does it another way there.
        assert done == 0 or ctypes.get_errno() == errno.EINVAL, "MemoryDenyWriteExecute"
    names = system_calls(found["SystemCallFilter"])
    refusal = _ERRNO | getattr(errno, found["SystemCallErrorNumber"][-1])
    families = [int(getattr(socket, name)) for name in found["RestrictAddressFamilies"][-1].split()]
    _load(names, refusal, families)


def _load(names, refusal, families):
    """The library sets NoNewPrivileges by itself."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(refusal)))
    for name in names - {"socket"}:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # Below are those that this machine's architecture has not.
            done = library.seccomp_rule_add_exact(context, ctypes.c_uint32(_ALLOW), number, 0)
            assert done == 0, name
    add = library.seccomp_rule_add_exact_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        wanted = _Comparison(0, _EQUAL, family, 0)
        assert add(context, _ALLOW, number, 1, ctypes.byref(wanted)) == 0, f"family {family}"
    assert library.seccomp_load(context) == 0, "SystemCallFilter"


if __name__ == "__main__":
    confine(settings(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
