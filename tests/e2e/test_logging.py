"""What a log line says: one line an event, the request that caused it at every site, no secret."""

import json

from harness.site import SECRET, TOKEN
from harness.until import until

KEY = "a-key-that-names-a-person"


def lines(site):
    """Every line of a site's log, parsed."""
    return [json.loads(line) for line in site.log.read_text().splitlines()]


def about(site, request):
    """Messages of the lines about a request."""
    found = [line for line in lines(site) if request in json.dumps(line)]
    return [line["fields"]["message"] for line in found]


def pair_that_logs(make_pair, level):
    pair = make_pair()
    for site in pair.sites:
        site.set("log.level", level)
        site.set("log.format", "json")
    return pair.start()


def test_a_request_is_followed_through_both_sites(make_pair):
    pair = pair_that_logs(make_pair, "debug")
    east = pair.east.client()
    east.create_bucket(Bucket="logged")
    answer = east.put_object(Bucket="logged", Key=KEY, Body=b"x" * 100_000)
    request = answer["ResponseMetadata"]["RequestId"]
    assert len(request) == 16
    until(lambda: "an event was applied" in about(pair.west, request), "west tells of the request")
    assert set(about(pair.east, request)) == {"an event is being written", "answered"}
    for site in pair.sites:
        text = site.log.read_text()
        assert SECRET not in text and TOKEN not in text and "x" * 1_000 not in text


def test_no_object_key_is_logged_above_debug(make_pair):
    pair = pair_that_logs(make_pair, "info")
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="logged")
    east.put_object(Bucket="logged", Key=KEY, Body=b"x" * 100_000)
    until(lambda: west.get_object(Bucket="logged", Key=KEY)["Body"].read(), "it has arrived")
    east.delete_object(Bucket="logged", Key=KEY)
    for site in pair.sites:
        assert lines(site), "it logs"
        assert KEY not in site.log.read_text()
