"""Users of a site, and their keys."""

from .until import until


def create(site, name, *more):
    """A user at a site: its answer, and the keys to sign with."""
    made = site.ask("user", "create", name, *more)
    return made["user"], (made["key"]["access_key"], made["key"]["secret_key"])


def known(site, keys):
    """Waits until a site lets these keys in."""
    client = site.client(keys)
    until(client.list_buckets, f"{keys[0]} is known at {site.name}")
    return client
