"""Waiting for conditions, never for time."""

import time


class NeverHappened(AssertionError):
    """A condition did not come true within its limit."""


def until(condition, what, limit=30.0):
    """Asks again and again until `condition` gives something true, and returns that.

    An exception counts as "not yet"; the last one is shown if the limit passes.
    """
    end = time.monotonic() + limit
    last = None
    while time.monotonic() < end:
        try:
            found = condition()
            if found:
                return found
            last = found
        except Exception as error:  # noqa: BLE001 - whatever it is, it may go away
            last = error
        time.sleep(0.01)
    raise NeverHappened(f"{what}: not within {limit} s, last {last!r}")
