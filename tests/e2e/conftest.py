"""What every test can ask for: a pair of sites, directly linked or over Kafka."""

import itertools
import os
from pathlib import Path

import pytest

from harness.kafka import Cluster
from harness.site import Site, make_certs

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """The cluster of this run."""
    running = os.environ.get("TOWLINE_TEST_KAFKA_DIR")
    cluster = Cluster(Path(running or tmp_path_factory.mktemp("kafka") / "cluster"))
    yield cluster
    if not running:
        cluster.down()


class Pair:
    """A primary and its secondary."""

    def __init__(self, folder, kafka=None):
        # A name of its own for each pair, because the name of the primary is its topic's.
        number = next(_numbers)
        names = (f"east-{number}", f"west-{number}")
        self.certs = make_certs(folder / "certs", *names)
        info = kafka.info if kafka else None
        self.east = Site(names[0], folder / "east", self.certs, names[1], info)
        self.west = Site(names[1], folder / "west", self.certs, names[0], info)
        self.west.follow(self.east)
        self.sites = [self.east, self.west]

    def start(self):
        self.east.start()
        self.west.start()
        return self


@pytest.fixture
def make_pair(tmp_path, request):
    """Makes a pair that is not started; whatever runs of it is stopped and its logs are read."""
    pairs = []

    def make(mode="direct"):
        kafka = request.getfixturevalue("kafka") if mode == "kafka" else None
        pairs.append(Pair(tmp_path / f"pair-{len(pairs)}", kafka))
        return pairs[-1]

    yield make
    stop_in_order([site for pair in pairs for site in pair.sites])


def stop_in_order(sites):
    """Stops whatever runs of these sites, and reads their logs."""
    for site in sites:
        if site.process and site.process.poll() is None:
            assert site.stop() == 0, f"site {site.name} did not stop in order, see {site.log}"
    for site in sites:
        assert site.unexpected() == [], f"unexpected lines in {site.log}"


@pytest.fixture
def pair(make_pair):
    """A pair that runs, directly linked."""
    return make_pair().start()


@pytest.fixture(params=["direct", "kafka"])
def any_pair(make_pair, request):
    """A pair that runs, once directly linked and once over Kafka."""
    return make_pair(request.param).start()
