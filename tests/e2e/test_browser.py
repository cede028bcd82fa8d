"""What a real browser does: forms that are posted from a page, and scripts of another origin."""

import html
import json
import os
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from harness.browser import Browser, WebServer
from harness.signed import Signer, policy
from harness.site import SECRET
from harness.until import until

BODY = os.urandom(200_000)
# As a person names files.
FILE = "grüße aus köln (1).txt"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser") / "chromium")
    yield browser
    browser.close()


@pytest.fixture
def web():
    """Makes origins that serve pages."""
    servers = []

    def make():
        servers.append(WebServer())
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def photos(pair):
    """A bucket at both sites, by their clients."""
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="photos")
    until(lambda: west.head_bucket(Bucket="photos"), "the bucket is at the secondary")
    return east, west


def form(site, fields, *conditions):
    """A page with a form that posts a file to the bucket, by a policy that is signed.

    The button is a field behind the file, which counts for nothing.
    """
    signed = policy(Signer(site, ("root", SECRET)), "photos", fields, *conditions)
    fields = {"key": "up/${filename}", **signed}
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    return (
        f'<form action="http://127.0.0.1:{site.s3_port}/photos" method="post"'
        f' enctype="multipart/form-data">{hidden}<input type="file" name="file">'
        '<button type="submit" name="then" value="go">Upload</button></form>'
    )


def submit(page, folder):
    """Chooses the file and clicks on the button; what the browser shows then is another page."""
    file = folder / FILE
    file.write_bytes(BODY)
    before = page.run("location.href")
    page.choose("input[type=file]", file)
    page.click("button")
    loaded = "document.readyState == 'complete' && location.href"
    until(lambda: page.run(loaded) not in (False, before), "an answer")


UP = ["starts-with", "$key", "up/"]


def test_a_form_in_a_page_uploads_and_goes_on_to_the_next_page(pair, photos, browser, web, tmp_path):
    east, west = photos
    server = web()
    server.pages["/done"] = "<h1>done</h1>"
    fields = {
        "success_action_redirect": f"{server.origin}/done",
        "Content-Type": "text/plain; charset=utf-8",
        "x-amz-meta-from": "a page",
    }
    server.pages["/form"] = form(pair.east, fields, UP)
    page = browser.page(f"{server.origin}/form")
    submit(page, tmp_path)
    told = until(lambda: page.run("location.pathname == '/done' && location.search"), "the next page")
    key = f"up/{FILE}"
    head = east.head_object(Bucket="photos", Key=key)
    assert dict(urllib.parse.parse_qsl(told[1:])) == {"bucket": "photos", "key": key, "etag": head["ETag"]}
    for site in (east, west):
        until(lambda: site.head_object(Bucket="photos", Key=key), "the object is at both sites")
        answer = site.get_object(Bucket="photos", Key=key)
        assert answer["Body"].read() == BODY
        assert answer["ContentType"] == "text/plain; charset=utf-8"
        assert answer["Metadata"] == {"from": "a page"}


def test_a_form_shows_what_was_created_or_why_nothing_was(pair, photos, browser, web, tmp_path):
    east, west = photos
    server = web()
    server.pages["/form"] = form(pair.east, {"success_action_status": "201"}, UP)
    small = ["content-length-range", 0, 1_000]
    server.pages["/small"] = form(pair.east, {"success_action_status": "201"}, small, UP)
    server.pages["/west"] = form(pair.west, {"success_action_status": "201"}, UP)
    shown = "document.documentElement.textContent"
    for path, code in (("/small", "EntityTooLarge"), ("/west", "AccessDenied")):
        page = browser.page(server.origin + path)
        submit(page, tmp_path)
        assert code in page.run(shown)
        assert "Contents" not in east.list_objects_v2(Bucket="photos")
    page = browser.page(f"{server.origin}/form")
    submit(page, tmp_path)
    key = f"up/{FILE}"
    assert key in page.run(shown) and "photos" in page.run(shown)
    until(lambda: west.head_object(Bucket="photos", Key=key), "the object is at the secondary")
    assert west.get_object(Bucket="photos", Key=key)["Body"].read() == BODY


def fetch(page, url, **options):
    """What a script of the page hears: status, text and entity tag, or that the browser kept it from it."""
    return page.run(
        f"fetch({json.dumps(url)}, {json.dumps(options)}).then("
        "async a => [a.status, await a.text(), a.headers.get('etag')], e => e.name)"
    )


def test_scripts_of_origins_that_the_bucket_allows_put_and_get_and_no_others(pair, photos, browser, web):
    east, west = photos
    ours, other = web(), web()
    for server in (ours, other):
        server.pages["/"] = "<h1>a page</h1>"
    rule = {
        "AllowedOrigins": [ours.origin],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type", "x-amz-meta-*"],
        "ExposeHeaders": ["ETag"],
    }
    east.put_bucket_cors(Bucket="photos", CORSConfiguration={"CORSRules": [rule]})
    until(lambda: west.get_bucket_cors(Bucket="photos"), "the rules are at the secondary")

    def signed(client, call, **more):
        return client.generate_presigned_url(call, Params={"Bucket": "photos", "Key": "a", **more})

    described = {"ContentType": "text/x-note", "Metadata": {"from": "a page"}}
    headers = {"content-type": "text/x-note", "x-amz-meta-from": "a page"}
    put = {"method": "PUT", "body": "grüße", "headers": headers}
    url = signed(east, "put_object", **described)
    allowed, refused = browser.page(f"{ours.origin}/"), browser.page(f"{other.origin}/")
    assert fetch(refused, url, **put) == "TypeError"
    with pytest.raises(ClientError) as absent:
        east.head_object(Bucket="photos", Key="a")
    assert absent.value.response["Error"]["Code"] == "404", "the browser did not send it"
    status, _, etag = fetch(allowed, url, **put)
    assert status == 200
    until(lambda: west.head_object(Bucket="photos", Key="a"), "the object is at the secondary")
    for site in (east, west):
        head = site.head_object(Bucket="photos", Key="a")
        shown = (head["ContentType"], head["Metadata"], head["ETag"])
        assert shown == ("text/x-note", {"from": "a page"}, etag)
        url = signed(site, "get_object")
        assert fetch(allowed, url) == [200, "grüße", etag]
        assert fetch(refused, url) == "TypeError"
    # The secondary refuses what it lets a page ask for, and says so; a method that no rule names is not sent.
    assert fetch(allowed, signed(west, "put_object", **described), **put)[0] == 403
    assert fetch(allowed, signed(east, "delete_object"), method="DELETE") == "TypeError"
    assert east.get_object(Bucket="photos", Key="a")["Body"].read() == "grüße".encode()
