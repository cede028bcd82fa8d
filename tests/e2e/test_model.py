"""Random sequences of S3 calls against a model in memory: the same answers, and the same state at
both sites.

A seed is one sequence. `TOWLINE_TEST_SEEDS=0-999` plays many by hand, and `TOWLINE_TEST_SEEDS=7-7` one
again; what fails is made short, and shown.
"""

import os

import pytest
from botocore import UNSIGNED

from conftest import Pair, stop_in_order
from harness.fullsync import repaired, run
from harness.until import until
from harness.users import create, known
from model import sequence
from model.stranger import NOBODY

WIDE = "0-499" if os.environ.get("TOWLINE_TEST_ALL") else "0-39"


def seeds():
    first, last = os.environ.get("TOWLINE_TEST_SEEDS", WIDE).split("-")
    return range(int(first), int(last) + 1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One pair for all sequences: each has buckets of its own."""
    pair = Pair(tmp_path_factory.mktemp("model")).start()
    yield pair
    stop_in_order(pair.sites)


@pytest.fixture(scope="module")
def clients(pair):
    """At each site the root user's, and by their ids those of others: of who signs, and who does not."""
    # No checksum is sent or asked for but where a call says so.
    names = ("request_checksum_calculation", "response_checksum_validation")
    seldom = dict.fromkeys(names, "when_required")
    user, keys = create(pair.east, "stranger")
    known(pair.west, keys)
    unsigned = {"signature_version": UNSIGNED}
    others = {NOBODY: (keys, unsigned), user["id"]: (keys, {})}
    return [
        (site.client(**seldom), {id: site.client(k, **seldom, **more) for id, (k, more) in others.items()})
        for site in pair.sites
    ]


@pytest.mark.parametrize("seed", seeds())
def test_random_calls_give_the_answers_of_a_model_and_one_state(pair, clients, seed):
    def failure(begin, steps):
        try:
            sequence.play(begin, steps, clients, lambda: until_complete(pair))
        except AssertionError as error:
            return error
        return None

    begin, steps = sequence.draw(seed)
    error = failure(begin, steps)
    if error is not None:
        steps = sequence.shortest(begin, steps, failure)
        again = f"TOWLINE_TEST_SEEDS={seed}-{seed} .venv/bin/python -m pytest tests/e2e/test_model.py"
        pytest.fail(f"{error}\n{sequence.told(begin, steps)}\nagain: {again}", pytrace=False)


def test_full_sync_finds_nothing_to_repair_behind_them(pair):
    """In the order of the file: after all of the sequences."""
    job = run(pair.west)
    assert (job["state"], repaired(job)) == ("done", 0)


def until_complete(pair):
    """Waits until the secondary has all that the primary has written, blocks too."""
    at = lambda site, point: site.metric("position", origin=pair.east.name, point=point)
    written = at(pair.east, "written")
    until(lambda: at(pair.west, "complete") >= written, "the secondary is complete")
