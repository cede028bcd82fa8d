"""Spoiling the data of a stopped site, through its store and behind its back."""

import json

from .site import BINARY, Site

TAMPER = BINARY.with_name("tamper")


def tamper(site, command, *names):
    """Does one thing to a stopped site; returns what it says."""
    return Site.run(TAMPER, "--config", site.config, command, *names).stdout.strip()


def quarantined(site):
    """What a stopped site has set aside: reason and key, sorted."""
    lines = tamper(site, "quarantined").splitlines()
    return sorted((found["reason"], found["key"]) for found in map(json.loads, lines))
