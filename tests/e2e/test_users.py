"""Users: who may do what, at both sites, and what becomes of requests under way."""

import http.client
import json
import os
import subprocess
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from harness.process import start
from harness.site import Site
from harness.until import until
from harness.users import create, known

MIB = 1 << 20


def refusal(call, **arguments):
    """The code that a call is refused with; of a HEAD the status, since it has no body."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return None


def test_users_sign_at_both_sites_and_touch_only_their_own(any_pair):
    pair = any_pair
    _, main_keys = create(pair.east, "main", "--id", "main")
    _, alt_keys = create(pair.east, "alt")
    main, alt = pair.east.client(main_keys), pair.east.client(alt_keys)
    main.create_bucket(Bucket="mine")
    main.put_object(Bucket="mine", Key="a", Body=b"main's")
    alt.create_bucket(Bucket="other")
    assert refusal(alt.create_bucket, Bucket="mine") == "BucketAlreadyExists"
    for site in pair.sites:
        main, alt, root = known(site, main_keys), known(site, alt_keys), site.client()
        until(lambda: main.get_object(Bucket="mine", Key="a"), "the object is there")
        until(lambda: len(root.list_buckets()["Buckets"]) == 2, "both buckets are there")
        mine = main.list_buckets()
        assert [bucket["Name"] for bucket in mine["Buckets"]] == ["mine"]
        assert mine["Owner"]["ID"] == "main"
        assert main.get_object(Bucket="mine", Key="a")["Body"].read() == b"main's"
        assert [bucket["Name"] for bucket in alt.list_buckets()["Buckets"]] == ["other"]
        key = {"Bucket": "mine", "Key": "a"}
        assert refusal(alt.get_object, **key) == "AccessDenied"
        assert refusal(alt.head_object, **key) == "403"
        assert refusal(alt.head_bucket, Bucket="mine") == "403"
        assert refusal(alt.list_objects_v2, Bucket="mine") == "AccessDenied"
        assert refusal(alt.put_object, **key, Body=b"") == "AccessDenied"
        assert refusal(alt.delete_object, **key) == "AccessDenied"
        many = {"Objects": [{"Key": "a"}]}
        assert refusal(alt.delete_objects, Bucket="mine", Delete=many) == "AccessDenied"
        assert refusal(alt.delete_bucket, Bucket="mine") == "AccessDenied"
        assert root.get_object(**key)["Body"].read() == b"main's"
        forged = site.client((main_keys[0], alt_keys[1]))
        assert refusal(forged.list_buckets) == "SignatureDoesNotMatch"
        assert refusal(site.client(("nobody", "12345678")).list_buckets) == "InvalidAccessKeyId"


def test_whoever_is_disabled_is_so_at_both_sites_until_enabled_again(pair):
    user, keys = create(pair.east, "alice")
    east, west = pair.east.client(keys), known(pair.west, keys)
    east.create_bucket(Bucket="alice")
    pair.east.command("user", "disable", "alice")
    assert refusal(east.list_buckets) == "InvalidAccessKeyId"
    until(lambda: refusal(west.list_buckets) == "InvalidAccessKeyId", "disabled at the secondary")
    assert pair.west.ask("user", "show", "alice")["enabled"] is False
    # It holds over a restart, too.
    pair.west.stop()
    pair.west.start()
    assert refusal(west.list_buckets) == "InvalidAccessKeyId"
    pair.east.command("user", "enable", user["id"])
    until(west.list_buckets, "enabled at the secondary")
    pair.east.command("user", "disable", "alice", "--key", keys[0])
    assert refusal(east.list_buckets) == "InvalidAccessKeyId"
    shown = pair.east.ask("user", "show", "alice")
    assert shown["enabled"] and shown["access_keys"] == [{"id": keys[0], "enabled": False}]


@pytest.mark.parametrize("paused", [False, True], ids=["pulled", "through the primary"])
def test_a_user_who_is_disabled_in_the_middle_of_downloads_at_both_sites(make_pair, paused):
    pair = make_pair()
    pair.west.set("puller.paused", paused)
    pair.start()
    _, keys = create(pair.east, "alice")
    east, west = pair.east.client(keys), known(pair.west, keys)
    east.create_bucket(Bucket="alice")
    # More than all buffers on the way hold, and no two blocks alike.
    body = os.urandom(64 * MIB)
    name = {"Bucket": "alice", "Key": "large"}
    east.put_object(**name, Body=body)
    until(lambda: west.head_object(**name), "the object is at the secondary")
    if not paused:
        until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    under_way = [site.get_object(**name)["Body"] for site in (east, west)]
    begun = [download.read(MIB) for download in under_way]
    pair.east.command("user", "disable", "alice")
    for site in (east, west):
        refused = lambda: refusal(site.get_object, **name) == "InvalidAccessKeyId"
        until(refused, "the next request is refused")
    if paused:
        assert pair.west.metric("blocks_pulled_total") < 64, "the download is still under way"
    for first, download in zip(begun, under_way):
        assert first + download.read() == body, "the request under way ends"


def test_a_user_who_is_disabled_in_the_middle_of_an_upload(pair):
    _, keys = create(pair.east, "alice")
    alice = pair.east.client(keys)
    alice.create_bucket(Bucket="alice")
    target = {"Bucket": "alice", "Key": "large"}
    url = urlsplit(alice.generate_presigned_url("put_object", Params=target))
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(2 * MIB))
    connection.endheaders(bytes(MIB))
    pair.east.command("user", "disable", "alice")
    connection.send(bytes(MIB))
    answer = connection.getresponse()
    assert answer.status == 403 and b"<Code>AccessDenied</Code>" in answer.read()
    assert refusal(pair.east.client().head_object, **target) == "404", "nothing was written"


def test_keys_change_in_turn_or_at_once(pair):
    _, first = create(pair.east, "alice")
    made = pair.east.ask("user", "rekey", "alice", "--keep-old")
    second = (made["access_key"], made["secret_key"])
    for keys in (first, second):
        known(pair.west, keys)
    made = pair.east.ask("user", "rekey", "alice")
    third = (made["access_key"], made["secret_key"])
    known(pair.west, third)
    for keys in (first, second):
        assert refusal(pair.east.client(keys).list_buckets) == "InvalidAccessKeyId"
        assert refusal(pair.west.client(keys).list_buckets) == "InvalidAccessKeyId"
    pair.east.command("user", "delete", "alice", "--key", third[0])
    assert refusal(pair.east.client(third).list_buckets) == "InvalidAccessKeyId"


def test_a_user_who_comes_from_elsewhere_brings_the_keys_along(pair, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("minio/secret+key=\n")
    given = ("--access-key", "minio-admin", "--secret-key-file", secret)
    made = pair.east.ask("user", "create", "old", *given)
    assert made["key"] == {"access_key": "minio-admin"}
    known(pair.west, ("minio-admin", "minio/secret+key="))
    again = pair.east.command("user", "create", "other", *given, code=1)
    assert again.stderr == "towline: access key `minio-admin` exists\n"


def test_a_user_who_owns_buckets_stays_until_they_are_deleted(pair):
    _, keys = create(pair.east, "alice")
    alice, west = pair.east.client(keys), known(pair.west, keys)
    alice.create_bucket(Bucket="alice")
    refused = pair.east.command("user", "delete", "alice", code=1)
    assert "owns buckets (1); delete these first" in refused.stderr
    alice.delete_bucket(Bucket="alice")
    assert pair.east.command("user", "delete", "alice").stdout == "user `alice` is deleted\n"
    assert refusal(alice.list_buckets) == "InvalidAccessKeyId"
    until(lambda: refusal(west.list_buckets) == "InvalidAccessKeyId", "gone at the secondary")
    assert pair.west.ask("user", "list") == {"users": []}


def test_a_secondary_changes_no_user_and_names_the_primary(pair):
    user, keys = create(pair.east, "alice")
    known(pair.west, keys)
    for words in (["create", "bob"], ["disable", "alice"], ["rekey", "alice"], ["delete", "alice"]):
        refused = pair.west.command("user", *words, code=1)
        assert f"write to the primary `{pair.east.name}`" in refused.stderr
    assert pair.west.ask("user", "list") == {"users": [user]}


def test_the_demo_has_two_users_who_stay_the_same(tmp_path):
    def demo():
        command = [Site.binary(), "demo", "--json", "--dir", tmp_path / "demo"]
        process = start(command, stdout=subprocess.PIPE, text=True)
        return process, json.loads(process.stdout.readline())

    def client(site, user):
        keys = {"aws_access_key_id": user["access_key"], "aws_secret_access_key": user["secret_key"]}
        return boto3.client("s3", endpoint_url=site["s3"], region_name="us-east-1", **keys)

    process, told = demo()
    try:
        assert [user["name"] for user in told["users"]] == ["main", "alt"]
        east, west = told["sites"]
        main, alt = told["users"]
        client(east, main).create_bucket(Bucket="mine")
        until(lambda: client(west, main).head_bucket(Bucket="mine"), "known at the secondary")
        assert refusal(client(east, alt).head_bucket, Bucket="mine") == "403"
        asks = ["--admin", west["admin"], "--token-file", told["admin_token_file"], "--json"]
        listed = json.loads(Site.run(Site.binary(), "user", "list", *asks).stdout)["users"]
        assert {user["id"] for user in listed} == {main["id"], alt["id"]}
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
    process, again = demo()
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert again["users"] == told["users"]
