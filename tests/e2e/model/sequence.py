"""Sequences of steps: drawn by a seed, played, and made short if they fail.

To leave steps out takes seconds; hypothesis, which tries much more, took minutes of real calls.
"""

import random

from . import draws
from .calls import STEPS, Calls

LENGTH = 60


def draw(seed):
    """How a sequence begins, and its steps: names with arguments, the same of the same seed."""
    dice = random.Random(seed)
    keys = dice.sample(draws.KEYS, 4)
    begin = {
        "keys": keys,
        "locked": dice.random() < 0.4,
        "kept": dice.choice([None, "Enabled", "Suspended"]),
        "opened": dice.choice([*draws.CANNED, *["public-read-write"] * 3]),
    }
    # Some steps never, some often: what would seldom meet does in some sequences.
    weights = {name: dice.choice([0, 1, 1, 4]) for name in STEPS} | {"put_plain": 8, "put": 5}
    weights["delete_bucket"] = dice.choice([0, 0, 0, 1])
    names = dice.choices(list(weights), weights.values(), k=LENGTH)
    return begin, [(name, {k: of(dice) for k, of in STEPS[name].items()}) for name in names]


def play(begin, steps, clients, settle):
    """Makes the calls, and compares both sites in the end."""
    calls = Calls(clients, **begin)
    for name, arguments in steps:
        getattr(calls, name)(**arguments)
    settle()
    calls.compare()


def shortest(begin, steps, fails):
    """As few of the steps as fail as well: without half of them, a quarter, one."""
    size = len(steps)
    while size > 0:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if fails(begin, fewer):
                steps = fewer
            else:
                at += size
        size //= 2
    return [(name, plainer(begin, steps, at, fails)) for at, (name, _) in enumerate(steps)]


def plainer(begin, steps, at, fails):
    """The arguments of a step without those headers that it fails without."""
    name, arguments = steps[at]
    for key, value in arguments.items():
        plain = arguments | {key: {}}
        if isinstance(value, dict) and value and fails(begin, [*steps[:at], (name, plain), *steps[at + 1 :]]):
            arguments = plain
    return arguments


def told(begin, steps):
    """As a person can read it."""
    lines = [f"{name}({', '.join(f'{k}={v!r}' for k, v in of.items())})" for name, of in steps]
    keys = [key if len(key) < 50 else f"{key[0]} {len(key)} times" for key in begin["keys"]]
    return "\n".join([f"begin({begin | {'keys': keys}})", *lines])
