"""What clients set of buckets and objects: set at the primary, in force at the secondary."""

import json
import urllib.error
import urllib.request
from datetime import datetime, timezone

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from harness.until import until
from harness.users import create, known


def code(call, **arguments):
    """The code that a call is refused with; of a HEAD the status, since it has no body."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return None


def tag_set(**tags):
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def anonymous(site):
    return site.client(signature_version=UNSIGNED)


@pytest.fixture
def bucket(pair):
    """A bucket `photos` with an object `a`, at both sites."""
    pair.east.client().create_bucket(Bucket="photos")
    pair.east.client().put_object(Bucket="photos", Key="a", Body=b"a")
    until(lambda: pair.west.client().get_object(Bucket="photos", Key="a"), "the object is there")
    return pair


def test_tags_of_objects_and_buckets_are_at_both_sites(bucket):
    pair, key = bucket, {"Bucket": "photos", "Key": "a"}
    east, west = pair.east.client(), pair.west.client()
    east.put_object_tagging(**key, Tagging={"TagSet": tag_set(a="1", b="2")})
    east.put_object(Bucket="photos", Key="t", Body=b"t", Tagging="x=y&z")
    east.copy_object(Bucket="photos", Key="copy", CopySource="photos/t")
    upload = east.create_multipart_upload(Bucket="photos", Key="parts", Tagging="p=q")["UploadId"]
    parts = {"Bucket": "photos", "Key": "parts", "UploadId": upload}
    etag = east.upload_part(**parts, PartNumber=1, Body=b"x" * (5 << 20))["ETag"]
    made = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    east.complete_multipart_upload(**parts, MultipartUpload=made)
    east.put_bucket_tagging(Bucket="photos", Tagging={"TagSet": tag_set(team="red")})
    tags_of = lambda site, name: site.get_object_tagging(Bucket="photos", Key=name)["TagSet"]
    expected = {
        "a": tag_set(a="1", b="2"),
        "t": tag_set(x="y", z=""),
        "copy": tag_set(x="y", z=""),
        "parts": tag_set(p="q"),
    }
    for name, tags in expected.items():
        until(lambda: tags_of(west, name) == tags, f"the tags of {name} are there")
        assert tags_of(east, name) == tags
        head = west.head_object(Bucket="photos", Key=name)
        assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == str(len(tags))
    until(lambda: west.get_bucket_tagging(Bucket="photos")["TagSet"] == tag_set(team="red"),
          "the bucket's tags are there")
    # A secondary sets nothing.
    refused = code(west.put_object_tagging, **key, Tagging={"TagSet": tag_set(n="1")})
    assert refused == "AccessDenied"
    refused = code(west.put_bucket_tagging, Bucket="photos", Tagging={"TagSet": tag_set(n="1")})
    assert refused == "AccessDenied"
    # Taken away is taken away at both, and a new version has none.
    east.delete_object_tagging(**key)
    east.delete_bucket_tagging(Bucket="photos")
    east.put_object(Bucket="photos", Key="t", Body=b"u")
    until(lambda: not tags_of(west, "a") and not tags_of(west, "t"), "the tags are gone there")
    until(lambda: code(west.get_bucket_tagging, Bucket="photos") == "NoSuchTagSet", "all of them")


CORS = {
    "CORSRules": [
        {
            "AllowedOrigins": ["https://*.example.com"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-amz-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
    ]
}


def ask(url, method, **headers):
    """Status and headers of an answer to a request that nobody signed."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers.items())
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers.items())


def test_pages_of_allowed_origins_read_both_sites(bucket):
    pair = bucket
    pair.east.client().put_bucket_cors(Bucket="photos", CORSConfiguration=CORS)
    pair.east.client().put_object_acl(Bucket="photos", Key="a", ACL="public-read")
    west = pair.west.client()
    until(lambda: west.get_bucket_cors(Bucket="photos")["CORSRules"] == CORS["CORSRules"],
          "the rules are there")
    until(lambda: anonymous(pair.west).get_object(Bucket="photos", Key="a"), "it is open there")
    for site in pair.sites:
        url = f"http://127.0.0.1:{site.s3_port}/photos/a"
        page = {"Origin": "https://app.example.com"}
        status, headers = ask(url, "OPTIONS", **page, Access_Control_Request_Method="PUT",
                              Access_Control_Request_Headers="x-amz-date")
        names = {name.lower(): value for name, value in headers.items()}
        assert status == 200
        assert names["access-control-allow-origin"] == "https://app.example.com"
        assert names["access-control-allow-methods"] == "GET, PUT"
        assert names["access-control-allow-headers"] == "x-amz-date"
        assert names["access-control-max-age"] == "60"
        status, _ = ask(url, "OPTIONS", **page, Access_Control_Request_Method="DELETE")
        assert status == 403
        status, headers = ask(url, "GET", **page)
        names = {name.lower(): value for name, value in headers.items()}
        assert (status, names["access-control-expose-headers"]) == (200, "ETag")
        status, headers = ask(url, "GET", Origin="https://else")
        assert status == 200
        assert "access-control-allow-origin" not in {name.lower() for name in headers}


def test_lists_and_policies_open_both_sites_and_close_them(bucket):
    pair = bucket
    _, alt_keys = create(pair.east, "alt", "--id", "alt")
    east = pair.east.client()
    for site in pair.sites:
        known(site, alt_keys)
    clients = {site: (site.client(alt_keys), anonymous(site)) for site in pair.sites}

    def allowed(site, operation, **arguments):
        """Whether the other user, and whether nobody may do it there."""
        return [code(getattr(client, operation), **arguments) is None for client in clients[site]]

    def at_both(expected, what, operation, **arguments):
        until(lambda: allowed(pair.west, operation, **arguments) == expected, f"{what} at west")
        assert allowed(pair.east, operation, **arguments) == expected, f"{what} at east"

    read, listed = {"Bucket": "photos", "Key": "a"}, {"Bucket": "photos"}
    at_both([False, False], "closed", "get_object", **read)
    east.put_object_acl(**read, ACL="public-read")
    at_both([True, True], "the object is open", "get_object", **read)
    at_both([False, False], "the bucket is not", "list_objects_v2", **listed)
    east.put_bucket_acl(Bucket="photos", ACL="authenticated-read")
    at_both([True, False], "open to who signs", "list_objects_v2", **listed)
    for site in pair.sites:
        shown = site.client().get_bucket_acl(Bucket="photos")
        permissions = {grant["Permission"] for grant in shown["Grants"]}
        assert permissions == {"READ", "FULL_CONTROL"}
    block = {"IgnorePublicAcls": True, "BlockPublicAcls": True, "BlockPublicPolicy": False,
             "RestrictPublicBuckets": False}
    east.put_public_access_block(Bucket="photos", PublicAccessBlockConfiguration=block)
    at_both([False, False], "the block counts", "get_object", **read)
    assert code(east.put_object_acl, **read, ACL="public-read") == "AccessDenied"
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::alt:root"},
                 "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*",
                 "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    east.put_bucket_policy(Bucket="photos", Policy=policy)
    at_both([True, False], "the policy opens it", "get_object", **read)
    west = pair.west.client()
    assert west.get_bucket_policy(Bucket="photos")["Policy"] == policy
    assert west.get_bucket_policy_status(Bucket="photos")["PolicyStatus"]["IsPublic"] is True
    statement["Effect"] = "Deny"
    denied = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    east.put_bucket_policy(Bucket="photos", Policy=denied)
    at_both([False, False], "the policy closes it", "get_object", **read)
    east.delete_bucket_policy(Bucket="photos")
    east.delete_public_access_block(Bucket="photos")
    at_both([True, True], "as it was", "get_object", **read)
    # Ownership: with ACLs disabled, what they opened is closed.
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    east.put_bucket_acl(Bucket="photos", ACL="private")
    east.put_bucket_ownership_controls(Bucket="photos", OwnershipControls=controls)
    at_both([False, False], "no list counts", "get_object", **read)
    shown = west.get_bucket_ownership_controls(Bucket="photos")["OwnershipControls"]
    assert shown == controls
    # A user who is disabled at the primary is outside at the secondary too.
    east.put_bucket_policy(Bucket="photos", Policy=policy)
    at_both([True, False], "open to the user again", "get_object", **read)
    pair.east.ask("user", "disable", "alt")
    at_both([False, False], "the user is disabled", "get_object", **read)


def test_what_another_user_puts_is_theirs_at_both_sites(bucket):
    pair = bucket
    _, main_keys = create(pair.east, "main", "--id", "main")
    _, alt_keys = create(pair.east, "alt", "--id", "alt")
    for site in pair.sites:
        known(site, main_keys)
        known(site, alt_keys)
    main = pair.east.client(main_keys)
    main.create_bucket(Bucket="shared", ACL="public-read-write")
    pair.east.client(alt_keys).put_object(Bucket="shared", Key="a", Body=b"alt's")
    key = {"Bucket": "shared", "Key": "a"}
    for site in pair.sites:
        main, alt = site.client(main_keys), site.client(alt_keys)
        until(lambda: alt.get_object(**key), "its writer reads it")
        assert alt.get_object_acl(**key)["Owner"]["ID"] == "alt"
        assert code(main.get_object, **key) == "AccessDenied"
        assert code(site.client().get_object, **key) is None, "root may"


def test_a_lifecycle_is_shown_alike_at_both_sites_and_ends_with_its_bucket(bucket):
    pair = bucket
    east, west = pair.east.client(), pair.west.client()
    rules = [
        {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "logs/"},
         "Expiration": {"Days": 7},
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}},
        {"ID": "two", "Status": "Disabled", "Prefix": "", "Expiration": {"Days": 1}},
    ]
    configuration = {"Rules": rules}
    east.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration=configuration)
    shown = lambda client: client.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
    until(lambda: shown(west) == rules, "the rules are there")
    assert shown(east) == rules
    # Of a bucket made anew nothing of the old one shows.
    east.delete_object(Bucket="photos", Key="a")
    east.delete_bucket(Bucket="photos")
    east.create_bucket(Bucket="photos")
    east.put_object(Bucket="photos", Key="new", Body=b"")
    until(lambda: west.head_object(Bucket="photos", Key="new"), "the new bucket is there")
    for client in (east, west):
        refused = code(client.get_bucket_lifecycle_configuration, Bucket="photos")
        assert refused == "NoSuchLifecycleConfiguration"


def test_what_has_expired_is_deleted_at_the_primary_and_so_at_the_secondary(bucket):
    pair = bucket
    east, west = pair.east.client(), pair.west.client()
    east.put_object(Bucket="photos", Key="logs/old", Body=b"x", Tagging="keep=no")
    east.put_object(Bucket="photos", Key="logs/kept", Body=b"x", Tagging="keep=yes")
    until(lambda: west.head_object(Bucket="photos", Key="logs/kept"), "both are there")
    prefix_and_tag = {"And": {"Prefix": "logs/", "Tags": tag_set(keep="no")}}
    rule = {"ID": "old", "Status": "Enabled", "Filter": prefix_and_tag,
            "Expiration": {"Date": datetime(2020, 1, 1, tzinfo=timezone.utc)}}
    east.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration={"Rules": [rule]})
    for client in (east, west):
        keys = lambda: [found["Key"] for found in client.list_objects_v2(Bucket="photos")["Contents"]]
        until(lambda: keys() == ["a", "logs/kept"], "what has expired is gone, and nothing else")


def test_full_sync_brings_what_was_set(bucket):
    """A secondary that joins later has it all, and both sites' trees agree."""
    pair = bucket
    east = pair.east.client()
    east.put_bucket_cors(Bucket="photos", CORSConfiguration=CORS)
    east.put_object(Bucket="photos", Key="t", Body=b"t", Tagging="x=y", ACL="public-read")
    west = pair.west.client()
    until(lambda: west.get_object_tagging(Bucket="photos", Key="t")["TagSet"], "it is there")
    job = pair.west.ask("fullsync", "run")
    assert job["progress"]["differ"] == 0, "real time has brought everything"
