"""What calls are made of: keys, sizes, headers and documents, odd ones among them.

What is to be drawn is a function of dice: `one`, `maybe` and their like make such functions.
"""

import hashlib
import json
from datetime import datetime, timedelta, timezone

KEYS = [
    "a",
    "a/",
    "a/b",
    "a/b/c",
    "a//b",
    "a::b",
    "a::b::c",
    "a b+c%20d",
    ".hidden",
    "./here/../there",
    "/first",
    "ü/€/\U0001f600",
    "u\u0308",
    "k" * 1_000,
    "k" * 1_001,
    "z&<>\"'\\",
    "z?x=1#y",
    "z\n\t",
    "~*!()",
]
PREFIXES = ["", "a", "a/", "a::", "k", "none", "ü"]
DELIMITERS = ["", "/", "//", "::", "b", "€"]
# None at all, inline, one block, several.
SIZES = [0, 1, 9, 70_000, 1 << 20, (1 << 20) + 1, 2_500_000]
CANNED = ["private", "public-read", "public-read-write", "authenticated-read"]
TAGS = ["a=1", "a=2&b=u", "c="]
RANGES = ["0-0", "5-", "-3", "9-70000", "1048575-1048576", "5242870-5242900", "-0"]
# Everything is newer.
OLD = datetime(2020, 1, 1, tzinfo=timezone.utc)


def policy(bucket, effect, who):
    """A bucket's policy that lets somebody read what is latest, or keeps them from it."""
    what = {"Effect": effect, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [what | {"Principal": who}]})


def _rule(days):
    rule = {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "a/"}}
    return rule | {"Expiration": {"Days": days}}


def _block(acls, policies):
    names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    return dict(zip(names, [acls, acls, policies, policies]))


# By kind; of a policy what it is made of.
DOCUMENTS = {
    "bucket_tagging": [{"TagSet": [{"Key": key, "Value": "ü +"}]} for key in ("one", "two")],
    "bucket_cors": [
        {"CORSRules": [{"AllowedMethods": [method], "AllowedOrigins": ["https://a.example"]}]}
        for method in ("GET", "PUT")
    ],
    # Nothing here is as old as that.
    "bucket_lifecycle_configuration": [{"Rules": [_rule(days)]} for days in (30, 60)],
    "bucket_policy": [("Allow", "*"), ("Deny", "*"), ("Allow", {"AWS": "root"})],
    "bucket_ownership_controls": [
        {"Rules": [{"ObjectOwnership": who}]}
        for who in ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
    ],
    "public_access_block": [_block(True, False), _block(False, True)],
}


def body(size, salt):
    return (hashlib.sha256(bytes([salt])).digest() * (size // 32 + 1))[:size]


def in_days(days):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)


def one(*values):
    return lambda dice: dice.choice(values)


def up_to(most):
    return lambda dice: dice.randint(0, most)


def maybe(**values):
    """Some of these arguments, each with one of its values."""
    return lambda dice: {k: dice.choice(v) for k, v in values.items() if dice.random() < 0.3}


def seldom(draw):
    """Nothing, in four cases of five."""
    return lambda dice: draw(dice) if dice.random() < 0.2 else {}


def some_of(most):
    """Some of the numbers up to this one, at least one."""
    return lambda dice: dice.sample(range(most + 1), dice.randint(1, most + 1))


# Which key of which bucket, and which version of it from the newest on.
at = up_to(7)
version = one(None, None, 0, 1, 2)
bucket = up_to(1)
size, salt = one(*SIZES), up_to(3)
condition = one(*["none"] * 6, "absent", "present", "same", "other")
yes_or_no = one(False, True)
described = maybe(
    ContentType=["text/plain; charset=utf-8"],
    CacheControl=["no-cache"],
    ContentDisposition=['attachment; filename="a"'],
    ContentEncoding=["gzip"],
    ContentLanguage=["de"],
    Metadata=[{"one": "1"}, {"two": "a  b", "three": "%C3%BC+"}],
)
begins = maybe(ACL=[*CANNED, "bucket-owner-full-control"], Tagging=TAGS)
times = maybe(IfModifiedSince=[OLD], IfUnmodifiedSince=[OLD])
instead = maybe(ResponseContentType=["text/csv"], ResponseCacheControl=["private"])
# How the checksum of an upload in parts is made.
of_upload = one(
    {},
    {"ChecksumAlgorithm": "CRC32"},
    {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT"},
    {"ChecksumAlgorithm": "CRC64NVME"},
    {"ChecksumAlgorithm": "SHA1"},
    {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"},
)
# Most calls ask for no lock, which needs a bucket that has it.
lock = seldom(maybe(ObjectLockMode=["GOVERNANCE", "COMPLIANCE"], ObjectLockLegalHoldStatus=["ON", "OFF"]))
days = one(1, 10, 20)
