"""Server-side encryption: written at the primary, read at both sites, and nowhere in the clear."""

import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from harness.fullsync import repaired, run
from harness.same import until_same
from harness.site import Site
from harness.until import until
from harness.uploads import complete

MIB = 1 << 20
PART = 5 * MIB
# What no ciphertext has in it by chance.
MARK = b"this sentence must not lie on any disk in the clear; "

SSE_S3 = {"ServerSideEncryption": "AES256"}
KINDS = ["none", "sse-s3", "sse-c", "another sse-c", "sse-kms"]


def own(key):
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes([key]) * 32}


def of_source(key):
    return {f"CopySource{name}": value for name, value in own(key).items()}


def write(kind):
    """The arguments with which a body is written."""
    return {
        "none": {},
        "sse-s3": SSE_S3,
        "sse-c": own(1),
        "another sse-c": own(2),
        "sse-kms": named("alias/second"),
    }[kind]


def named(key):
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}


def key_file(path, *ids):
    """A file of keys with these ids, each always with the same key."""
    path.touch(0o600)
    path.write_text("".join(f"{id}:{hashlib.sha256(id.encode()).hexdigest()}\n" for id in ids))
    return str(path)


def read(kind):
    """Those with which it is read."""
    return write(kind) if "sse-c" in kind else {}


def source(kind):
    """Those with which it is copied."""
    return {"sse-c": of_source(1), "another sse-c": of_source(2)}.get(kind, {})


def code(call, **arguments):
    """The code that a call is refused with, if it is; of a HEAD the status, since it has no body."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return None


def marked(length):
    return (MARK * (length // len(MARK) + 1))[:length]


def body_of(site, key, kind, **more):
    answer = site.get_object(Bucket="sealed", Key=key, **read(kind), **more)
    return answer["Body"].read(), answer


def check(site, key, kind, body):
    """That an object is what was written, whole and in ranges, and says how it rests."""
    got, answer = body_of(site, key, kind)
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest(), (key, kind)
    method = {"sse-s3": "AES256", "sse-kms": "aws:kms"}.get(kind)
    assert answer.get("ServerSideEncryption") == method
    assert answer.get("SSEKMSKeyId") == ("alias/second" if kind == "sse-kms" else None)
    assert answer.get("SSECustomerAlgorithm") == ("AES256" if "sse-c" in kind else None)
    head = site.head_object(Bucket="sealed", Key=key, **read(kind))
    assert (head["ContentLength"], head["ETag"]) == (len(body), answer["ETag"])
    for first, last in [(0, 0), (MIB - 40, MIB + 40), (len(body) - 9, len(body) - 1)]:
        if 0 <= first and last < len(body):
            got, _ = body_of(site, key, kind, Range=f"bytes={first}-{last}")
            assert got == body[first : last + 1], (key, kind, first)


def files(site):
    """All that a site has on its disk."""
    return [path for path in (site.folder / "data").rglob("*") if path.is_file()]


def assert_nowhere(site, words):
    """That no file has any of these words. Files may go while one looks."""
    for path in files(site):
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            continue
        for word in words:
            assert word not in held, f"{word[:20]!r} lies in {path}"


@pytest.fixture
def make_keyed(make_pair):
    """Makes a pair with a key of each site and named keys of both; it is not started."""

    def make(mode="direct"):
        pair = make_pair(mode)
        for site, role in ((pair.east, "east"), (pair.west, "west")):
            site.set("keys.site_file", key_file(site.folder / "site.key", f"{role}-1"))
            site.set("keys.named_file", key_file(pair.certs / "named.key", "first", "second"))
        return pair

    return make


@pytest.fixture(params=["direct", "kafka"])
def any_keyed(make_keyed, request):
    return make_keyed(request.param).start()


@pytest.fixture
def keyed(make_keyed):
    return make_keyed().start()


def test_any_encryption_is_read_at_both_sites_and_lies_nowhere_in_the_clear(any_keyed):
    east, west = any_keyed.east.client(), any_keyed.west.client()
    east.create_bucket(Bucket="sealed")
    # Inline, one block, and several; around what a block of 1 MiB holds when it is sealed.
    sizes = [0, 1, 1_000, 100_000, MIB - 32, MIB - 31, MIB, 3 * MIB + 5]
    sealed = [kind for kind in KINDS if kind != "none"]
    written = {f"{kind} {size}": (kind, marked(size)) for kind in sealed for size in sizes}
    for key, (kind, body) in written.items():
        made = east.put_object(Bucket="sealed", Key=key, Body=body, **write(kind))
        same = made["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert same == (kind == "sse-s3"), "the tag tells nothing of what only the client can read"
    until_same(east, west, "sealed")
    for key, (kind, body) in written.items():
        for site in (east, west):
            check(site, key, kind, body)
    until(lambda: any_keyed.west.metric("holes") == 0, "all blocks are at the secondary")
    for site in (any_keyed.east, any_keyed.west):
        assert_nowhere(site, [MARK, bytes([1]) * 32, bytes([2]) * 32])


def test_keys_of_clients_are_asked_for_and_told_apart_at_both_sites(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    east.put_object(Bucket="sealed", Key="own", Body=b"body", **own(1))
    east.put_object(Bucket="sealed", Key="sites", Body=b"body", **SSE_S3)
    until_same(east, west, "sealed")
    for site in (east, west):
        named = {"Bucket": "sealed", "Key": "own"}
        assert code(site.get_object, **named) == "InvalidRequest"
        assert code(site.get_object, **named, **own(2)) == "AccessDenied"
        assert code(site.head_object, **named) == "400"
        assert code(site.head_object, **named, **own(2)) == "403"
        sites = {"Bucket": "sealed", "Key": "sites"}
        assert code(site.get_object, **sites, **own(1)) == "InvalidRequest"
    put = {"Bucket": "sealed", "Key": "none", "Body": b"body"}
    assert code(east.put_object, **put, ServerSideEncryption="aws:kms") == "NotImplemented"
    assert code(east.put_object, **put, **SSE_S3, **own(1)) == "InvalidArgument"


def test_copies_go_from_any_encryption_to_any(keyed):
    east, west = keyed.east.client(), keyed.west.client()
    east.create_bucket(Bucket="sealed")
    body = os.urandom(2 * MIB + 77)
    for kind in KINDS:
        east.put_object(Bucket="sealed", Key=kind, Body=body, **write(kind))
        for to in KINDS:
            east.copy_object(
                Bucket="sealed",
                Key=f"{kind} to {to}",
                CopySource={"Bucket": "sealed", "Key": kind},
                **source(kind),
                **write(to),
            )
    until_same(east, west, "sealed")
    for site in (east, west):
        for kind in KINDS:
            for to in KINDS:
                check(site, f"{kind} to {to}", to, body)


@pytest.mark.parametrize("kind", KINDS)
def test_uploads_in_parts_are_sealed_part_by_part(keyed, kind):
    east, west = keyed.east.client(), keyed.west.client()
    east.create_bucket(Bucket="sealed")
    bodies = [marked(PART), os.urandom(PART + 9), marked(77)]
    east.put_object(Bucket="sealed", Key="source", Body=bodies[1], **own(7))
    named = {"Bucket": "sealed", "Key": "parts"}
    begun = east.create_multipart_upload(**named, **write(kind))
    target = named | {"UploadId": begun["UploadId"]}
    # Numbers with gaps, a part that comes twice, and one that is a copy.
    east.upload_part(**target, PartNumber=3, Body=b"not this one", **read(kind))
    first = east.upload_part(**target, PartNumber=3, Body=bodies[0], **read(kind))["ETag"]
    copied = east.upload_part_copy(
        **target,
        PartNumber=8,
        CopySource={"Bucket": "sealed", "Key": "source"},
        CopySourceRange=f"bytes=0-{len(bodies[1]) - 1}",
        **of_source(7),
        **read(kind),
    )["CopyPartResult"]["ETag"]
    last = east.upload_part(**target, PartNumber=9, Body=bodies[2], **read(kind))["ETag"]
    tags = zip([3, 8, 9], [first, copied, last])
    done = complete(east, target, [{"PartNumber": n, "ETag": tag} for n, tag in tags])
    assert done["ETag"].endswith('-3"')
    until_same(east, west, "sealed")
    for site in (east, west):
        check(site, "parts", kind, b"".join(bodies))
        second, answer = body_of(site, "parts", kind, PartNumber=2)
        assert second == bodies[1] and answer["PartsCount"] == 3
    until(lambda: keyed.west.metric("holes") == 0, "all blocks are at the secondary")
    if kind != "none":
        for site in (keyed.east, keyed.west):
            assert_nowhere(site, [MARK])


def test_the_default_of_a_bucket_is_at_both_sites_and_survives_a_restart(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    none = "ServerSideEncryptionConfigurationNotFoundError"
    assert code(east.get_bucket_encryption, Bucket="sealed") == none
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    east.put_bucket_encryption(
        Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )

    def shown(site):
        answer = site.get_bucket_encryption(Bucket="sealed")
        return answer["ServerSideEncryptionConfiguration"]["Rules"][0]

    shown_rule = rule | {"BucketKeyEnabled": False}
    until(lambda: shown(west) == shown_rule, "the secondary shows the default")
    east.put_object(Bucket="sealed", Key="a", Body=marked(MIB))
    until_same(east, west, "sealed")
    pair.east.stop()
    pair.east.start()
    east = pair.east.client()
    assert shown(east) == shown_rule
    for site in (east, west):
        check(site, "a", "sse-s3", marked(MIB))
    east.delete_bucket_encryption(Bucket="sealed")
    assert code(east.get_bucket_encryption, Bucket="sealed") == none
    until(
        lambda: code(pair.west.client().get_bucket_encryption, Bucket="sealed") == none,
        "the secondary has no default any more",
    )


def block_names(site):
    """What lies in the blocks of a site."""
    return sorted(path.name for path in files(site) if "blocks" in path.parts)


def restart(site, *ids):
    """With these keys of its own."""
    assert site.stop() == 0
    key_file(site.folder / "site.key", *ids)
    site.start()


def test_a_site_changes_its_key_under_reads_and_the_old_one_can_go(make_keyed):
    pair = make_keyed()
    pair.west.set("fullsync.interval", "off")
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    east.put_bucket_versioning(
        Bucket="sealed", VersioningConfiguration={"Status": "Enabled"}
    )
    bodies = {f"{n}": marked(n * 40_000 + 1) for n in range(12)}
    for key, body in bodies.items():
        east.put_object(Bucket="sealed", Key=key, Body=b"before " + body, **SSE_S3)
        east.put_object(Bucket="sealed", Key=key, Body=body, **SSE_S3)
    begun = {"Bucket": "sealed", "Key": "parts"}
    id = east.create_multipart_upload(**begun, **SSE_S3)["UploadId"]
    until_same(east, west, "sealed")
    until(lambda: pair.west.metric("holes") == 0, "all blocks are at the secondary")
    before = block_names(pair.west)

    restart(pair.west, "west-2", "west-1")
    west = pair.west.client()
    done = "data keys rest under the first key"
    while done not in pair.west.log.read_text():
        for key, body in bodies.items():
            check(west, key, "sse-s3", body)
    restart(pair.east, "east-2", "east-1")
    until(lambda: done in pair.east.log.read_text(), "all data keys are under the new key")
    assert pair.west.metric("data_keys_rewrapped_total") >= 24
    assert pair.west.metric("data_keys_unopened") == 0
    assert block_names(pair.west) == before, "no block was written"

    # The old keys are gone, and with them nothing.
    restart(pair.west, "west-2")
    restart(pair.east, "east-2")
    east, west = pair.east.client(), pair.west.client()
    assert repaired(run(pair.west)) == 0, "what sites compare is not what a key rests under"
    part = east.upload_part(**begun, UploadId=id, PartNumber=1, Body=marked(9))
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    complete(east, begun | {"UploadId": id}, parts)
    until_same(east, west, "sealed")
    for site in (east, west):
        for key, body in bodies.items():
            check(site, key, "sse-s3", body)
            ids = site.list_object_versions(Bucket="sealed", Prefix=key)["Versions"]
            old = min((v for v in ids if v["Key"] == key), key=lambda v: v["LastModified"])
            got, _ = body_of(site, key, "sse-s3", VersionId=old["VersionId"])
            assert got == b"before " + body
        check(site, "parts", "sse-s3", marked(9))
    assert pair.west.stop() == 0
    report = pair.west.ask("store", "verify")
    assert report["data_keys"]["unopened"] == 0 and report["data_keys"]["checked"] >= 25


def test_a_site_with_the_wrong_key_says_so_and_loses_nothing(make_keyed):
    pair = make_keyed().start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sealed")
    east.put_object(Bucket="sealed", Key="a", Body=b"sealed", **SSE_S3)
    until_same(east, west, "sealed")
    # Of west alone: east has its own.
    pair.west.allow("no key of this site opens some data keys", "no key `west-1` at this site")
    restart(pair.west, "other")
    west = pair.west.client()
    assert code(west.get_object, Bucket="sealed", Key="a") == "InternalError"
    until(lambda: pair.west.metric("data_keys_unopened") == 1, "it is counted")
    check(east, "a", "sse-s3", b"sealed")
    assert pair.west.stop() == 0
    outcome = Site.run(
        Site.binary(), "store", "verify", "--config", pair.west.config, code=1
    )
    assert "no key `west-1`" in outcome.stdout and "`keys.site_file`" in outcome.stderr
    restart(pair.west, "other", "west-1")
    until(lambda: pair.west.metric("data_keys_rewrapped_total") == 1, "the key is back")
    check(pair.west.client(), "a", "sse-s3", b"sealed")
    restart(pair.west, "other")
    check(pair.west.client(), "a", "sse-s3", b"sealed")
    # A key that is another than the class key of its name is no key of the site.
    assert pair.west.stop() == 0
    key_file(pair.west.folder / "site.key", "default")
    outcome = Site.run(Site.binary(), "site", "--config", pair.west.config, code=1)
    assert "key `default` of `keys.site_file`" in outcome.stderr


def test_named_keys_are_those_of_the_file_and_unknown_ones_are_refused(keyed):
    east, west = keyed.east.client(), keyed.west.client()
    east.create_bucket(Bucket="sealed")
    put = {"Bucket": "sealed", "Key": "a", "Body": marked(MIB)}
    assert code(east.put_object, **put, **named("third")) == "KMS.NotFoundException"
    assert code(east.put_object, **put, SSEKMSKeyId="first") == "InvalidArgument"
    both = named("first") | own(1)
    assert code(east.put_object, **put, **both) == "InvalidArgument"
    context = "eyJkZXBhcnRtZW50IjoiYSJ9"
    made = east.put_object(**put, **named("alias/second"), SSEKMSEncryptionContext=context)
    assert (made["SSEKMSKeyId"], made["SSEKMSEncryptionContext"]) == ("alias/second", context)
    rule = {
        "ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": "alias/second",
        },
        "BucketKeyEnabled": True,
    }
    east.put_bucket_encryption(
        Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    shown = west.get_bucket_encryption
    none = "ServerSideEncryptionConfigurationNotFoundError"
    until(lambda: code(shown, Bucket="sealed") != none, "the secondary shows the default")
    assert shown(Bucket="sealed")["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    assert east.put_object(**put | {"Key": "b"})["BucketKeyEnabled"]
    until_same(east, west, "sealed")
    for site in (east, west):
        check(site, "a", "sse-kms", marked(MIB))
        check(site, "b", "sse-kms", marked(MIB))
    until(lambda: keyed.west.metric("holes") == 0, "all blocks are at the secondary")
    for site in (keyed.east, keyed.west):
        assert_nowhere(site, [MARK])
    # A site without the key has the object, and does not read it.
    assert keyed.west.stop() == 0
    key_file(keyed.certs / "named.key", "first")
    keyed.west.start()
    west = keyed.west.client()
    assert code(west.get_object, Bucket="sealed", Key="a") == "KMS.NotFoundException"
    assert repaired(run(keyed.west)) == 0


def test_certs_makes_keys_for_what_clients_encrypt(tmp_path):
    command = [Site.binary(), "certs", "--dir", tmp_path, "--data-keys", "east", "west"]
    made = Site.run(*command).stdout.split()
    keys = {"east.site.key", "west.site.key", "named.key"}
    assert keys < {line.rsplit("/", 1)[-1] for line in made}
    east, west = ((tmp_path / f"{name}.site.key").read_text() for name in ("east", "west"))
    assert "site-1:" in east and "site-1:" in west and east != west
    assert all((tmp_path / key).stat().st_mode & 0o77 == 0 for key in keys)
    assert "everything is there already" in Site.run(*command).stdout
