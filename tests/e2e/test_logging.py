"""What a log line says: one line an event, the request that caused it at every site, no secret."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from harness.site import SECRET, TOKEN, Site, make_certs
from harness.until import until
from harness.users import create

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


@pytest.fixture
def failing(make_pair):
    """A pair that logs all it can, with one object; what it has logged is looked through in the end."""
    pair = pair_that_logs(make_pair, "debug")
    east = pair.east.client()
    east.create_bucket(Bucket="logged")
    east.put_object(Bucket="logged", Key=KEY, Body=os.urandom(100_000))
    until(lambda: pair.west.client().get_object(Bucket="logged", Key=KEY), "it has arrived")
    yield pair
    for site in pair.sites:
        text = site.log.read_text()
        assert SECRET not in text and TOKEN not in text
        told = [line for line in lines(site) if line["level"] != "DEBUG"]
        assert told and KEY not in json.dumps(told), "above debug no object is named"


def above_debug(site, act):
    """Fields of the lines above debug that something leaves, of which there is at least one."""
    before = len(lines(site))
    act()
    since = lambda: [line for line in lines(site)[before:] if line["level"] != "DEBUG"]
    return [line["fields"] for line in until(since, "it is logged")]


def refused(status, call, **arguments):
    """The id of a request that is refused with this status."""
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    about = refusal.value.response["ResponseMetadata"]
    assert about["HTTPStatusCode"] == status
    return about["RequestId"] if "RequestId" in about else about["HTTPHeaders"]["x-amz-request-id"]


def test_what_a_client_does_wrong_is_one_line_at_debug(failing):
    east, object = failing.east, {"Bucket": "logged", "Key": KEY}
    _, (_, secret) = create(east, "alice")
    before = len(lines(east))
    requests = {
        refused(403, east.client(("root", "a-wrong-secret")).get_object, **object): "403",
        refused(403, east.client(("nobody", secret)).get_object, **object): "403",
        refused(404, east.client().get_object, Bucket="unknown", Key=KEY): "404",
        refused(404, east.client().get_object, Bucket="logged", Key=f"{KEY}-2"): "404",
        refused(403, failing.west.client().put_object, **object, Body=b""): None,
    }
    link = failing.west.client().generate_presigned_url("get_object", Params=object)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(link.replace("Signature=", "Signature=0"), timeout=10)
    assert east.api("GET", "/v1/users", token="a-wrong-token-of-some-length")[0] == 401
    for request, status in requests.items():
        site = east if status else failing.west
        found = [line for line in lines(site) if request in json.dumps(line)]
        assert [line["fields"]["message"] for line in found] == ["answered"]
        assert found[0]["fields"]["status"].startswith(status or "403")
    assert {line["level"] for line in lines(east)[before:]} == {"DEBUG"}
    signature = re.search(r"Signature=([^&]+)", link)[1]
    for site in failing.sites:
        text = site.log.read_text()
        assert signature not in text and secret not in text and "a-wrong" not in text


def test_a_peer_that_is_refused_is_one_line_with_the_reason(failing):
    east = failing.east
    east.allow("link refused")
    make_certs(east.certs, "north")
    ask = lambda: subprocess.run(east.link("/v1/site", by="north"), capture_output=True)
    (told,) = above_debug(east, ask)
    assert told["message"] == "link refused" and "`north`" in told["why"], told


def test_a_full_disk_is_one_line_with_the_reason(failing):
    east = failing.east
    east.allow("a write was refused")
    east.stop()
    east.set("storage.reserve", "1000000GiB")
    east.start()
    put = lambda: refused(507, east.client().put_object, Bucket="logged", Key=KEY, Body=b"x")
    (told,) = above_debug(east, put)
    assert "disk is full" in json.dumps(told), told


def test_a_damaged_block_is_named_with_the_reason(failing):
    east = failing.east
    east.allow("a block is damaged on disk", "a request failed")
    (block,) = [path for path in (east.folder / "data/blocks").rglob("*") if path.is_file()]
    block.write_bytes(bytes(block.stat().st_size))
    read = lambda: refused(500, east.client().get_object, Bucket="logged", Key=KEY)
    told = above_debug(east, read)
    # That it is damaged is told wherever it is found, and that there is no other where it ends.
    assert told[0] == {"message": "a block is damaged on disk", "block": block.name}
    assert told[1]["message"] == "a request failed" and block.name in told[1]["error"]


def test_a_configuration_that_cannot_be_read_is_one_line_without_what_is_in_it(failing):
    east = failing.east
    east.allow("new configuration is not taken on")
    text = east.config.read_text()
    # The line that is wrong is one with a secret.
    east.config.write_text(text.replace(f'"{SECRET}"', f'"{SECRET}'))
    (told,) = above_debug(east, lambda: east.process.send_signal(signal.SIGHUP))
    assert "site.toml" in told["why"] and "\n" not in told["why"], told
    started = Site.run(Site.binary(), "site", "--config", east.config, code=2)
    assert len(started.stderr.splitlines()) == 1 and SECRET not in started.stderr
    east.config.write_text(text)
