"""Full syncs of a secondary, started by hand and looked at."""

from .until import until


def run(site, *options, code=0):
    """Runs a full sync to its end and returns its job."""
    return site.ask("fullsync", "run", *options, code=code)


def repaired(job):
    """How many entities a job repaired, for whatever reason."""
    return sum(job["progress"]["repaired"].values())


def until_converged(site, limit=60.0):
    """Waits until a full sync has proved that a site holds what its origin does."""
    until(lambda: site.metric("converged") == 1, f"{site.name} has converged", limit)
