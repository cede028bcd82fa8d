"""Listings as S3 makes them, the same at both sites: every page, every parameter."""

import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.same import until_same
from harness.signed import Signer, request
from harness.site import SECRET
from harness.until import until

KEYS = [
    "a",
    "a b+c",
    "a/1",
    "a/2/x",
    "a//",
    "dir::one::1",
    "dir::one::2",
    "dir::two",
    "dir:three",
    "uni/ü",
    "uni/\u20ac",
    "uni/\U0001f600",
    "z\n",
    "z&<>\"'",
]


def model(keys, prefix="", delimiter="", after="", limit=1_000):
    """What S3 lists: keys and common prefixes, in order of their bytes, and whether there is more."""
    entries = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key[: at + len(delimiter)] if at >= 0 else key
        entries.append((entry, at >= 0))
    entries = list(dict.fromkeys(entries))
    entries = [e for e in entries if e[0].encode() > after.encode()]
    return entries[:limit], len(entries) > limit


def entries(page):
    """Keys and common prefixes of a page, in one order."""
    found = [(entry["Key"], False) for entry in page.get("Contents", [])]
    found += [(entry["Prefix"], True) for entry in page.get("CommonPrefixes", [])]
    return sorted(found, key=lambda entry: entry[0].encode())


@pytest.fixture
def sites(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="list")
    for key in KEYS:
        east.put_object(Bucket="list", Key=key, Body=b"1")
    until_same(east, west, "list")
    return east, west


def test_pages_are_those_of_the_model_whatever_is_asked_for(sites):
    dice = random.Random(6)
    prefixes = ["", "a", "a/", "dir", "dir::", "uni/", "none"]
    delimiters = ["", "/", "::", ":", "ü", "//", "\U0001f600"]
    for _ in range(60):
        prefix, delimiter = dice.choice(prefixes), dice.choice(delimiters)
        limit = dice.choice([1, 2, 3, 1_000])
        wish = {"Bucket": "list", "Prefix": prefix, "MaxKeys": limit}
        if delimiter:
            wish["Delimiter"] = delimiter
        for site in sites:
            seen, more = [], {}
            while True:
                page = site.list_objects_v2(**wish, **more)
                assert page["KeyCount"] == len(entries(page)) <= limit
                seen += entries(page)
                if not page["IsTruncated"]:
                    assert "NextContinuationToken" not in page
                    break
                more = {"ContinuationToken": page["NextContinuationToken"]}
            assert seen == model(KEYS, prefix, delimiter)[0], wish
            seen, more = [], {}
            while True:
                page = site.list_objects(**wish, **more)
                seen += entries(page)
                assert ("NextMarker" in page) == bool(page["IsTruncated"] and delimiter)
                if not page["IsTruncated"]:
                    break
                more = {"Marker": page.get("NextMarker") or seen[-1][0]}
            assert seen == model(KEYS, prefix, delimiter)[0], wish
            after = dice.choice(KEYS)
            page = site.list_objects_v2(**wish, StartAfter=after)
            # A common prefix of what comes behind is shown, though its name is before.
            wanted = model([key for key in KEYS if key.encode() > after.encode()], prefix, delimiter)
            assert entries(page) == wanted[0][:limit], (wish, after)


def test_limits_and_parameters_are_those_of_s3(pair, sites):
    for site in sites:
        for call in (site.list_objects, site.list_objects_v2):
            none = call(Bucket="list", MaxKeys=0)
            assert entries(none) == [] and not none["IsTruncated"] and none["MaxKeys"] == 0
            assert call(Bucket="list", MaxKeys=5_000)["MaxKeys"] == 1_000
            with pytest.raises(ClientError) as refused:
                call(Bucket="list", MaxKeys=-1)
            assert refused.value.response["Error"]["Code"] == "InvalidArgument"
        assert all("Owner" not in e for e in site.list_objects_v2(Bucket="list")["Contents"])
        owned = site.list_objects_v2(Bucket="list", FetchOwner=True)["Contents"]
        assert all(entry["Owner"]["ID"] == "root" for entry in owned)
        assert all(e["Owner"]["ID"] == "root" for e in site.list_objects(Bucket="list")["Contents"])
    for site in pair.sites:
        signer = Signer(site, ("root", SECRET))
        query = "list-type=2&encoding-type=url&prefix=z&start-after=z%0A&delimiter=%2B"
        status, _, told = request(signer, "GET", f"/list?{query}")
        told = told.decode()
        assert status == 200 and "<EncodingType>url</EncodingType>" in told
        for part in ("<Key>z%26%3C%3E%22%27</Key>", "<StartAfter>z%0A</StartAfter>"):
            assert part in told, told
        assert "<Delimiter>%2B</Delimiter>" in told
        status, _, told = request(signer, "GET", "/list?prefix=z")
        assert b"<Key>z&amp;&lt;&gt;" in told and b"EncodingType" not in told
        status, _, told = request(signer, "GET", "/list?encoding-type=other")
        assert status == 400 and b"<Code>InvalidArgument</Code>" in told


def test_a_thousand_keys_below_a_prefix_are_one_entry(pair):
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="many")
    keys = [f"{n:02}/{m:02}" for n in range(30) for m in range(50)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: east.put_object(Bucket="many", Key=key, Body=b"1"), keys))
    assert len(until_same(east, west, "many")) == 1_500
    for site in (east, west):
        first = site.list_objects_v2(Bucket="many")
        assert first["KeyCount"] == 1_000 and first["IsTruncated"]
        token = first["NextContinuationToken"]
        second = site.list_objects_v2(Bucket="many", ContinuationToken=token)
        assert entries(first) + entries(second) == model(keys, limit=9_999)[0]
        short = site.list_objects_v2(Bucket="many", Delimiter="/")
        assert entries(short) == model(keys, delimiter="/")[0] and len(entries(short)) == 30


def test_buckets_are_listed_by_prefix_and_in_pages(pair):
    east, west = pair.east.client(), pair.west.client()
    names = [f"bucket-{n}" for n in range(5)] + ["other"]
    for name in names:
        east.create_bucket(Bucket=name)
    until(lambda: len(west.list_buckets()["Buckets"]) == len(names), "all are at the secondary")
    for site in (east, west):
        pages = site.get_paginator("list_buckets").paginate(
            Prefix="bucket-", PaginationConfig={"PageSize": 2}
        )
        pages = [[bucket["Name"] for bucket in page["Buckets"]] for page in pages]
        assert pages == [names[:2], names[2:4], names[4:5]]
        assert site.list_buckets(BucketRegion="us-east-1", MaxBuckets=10)["Buckets"]
        assert not site.list_buckets(BucketRegion="eu-west-9", MaxBuckets=10).get("Buckets")


def test_uploads_and_parts_are_listed_in_pages(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="ups")
    keys = ["a", "a", "dir/1", "dir/2", "dir/2", "e f", "z::1", "z::2"]
    begun = [(k, east.create_multipart_upload(Bucket="ups", Key=k)["UploadId"]) for k in keys]
    for limit in (1, 2, 1_000):
        for prefix, delimiter in (("", ""), ("", "/"), ("dir/", "/"), ("", "::"), ("z", "")):
            wish = {"Bucket": "ups", "Prefix": prefix, "MaxUploads": limit}
            if delimiter:
                wish["Delimiter"] = delimiter
            seen, prefixes, more = [], [], {}
            while True:
                page = east.list_multipart_uploads(**wish, **more)
                seen += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
                prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
                if not page["IsTruncated"]:
                    break
                more = {"KeyMarker": page["NextKeyMarker"]}
                if page.get("NextUploadIdMarker"):
                    more["UploadIdMarker"] = page["NextUploadIdMarker"]
            wanted = model([key for key, _ in begun], prefix, delimiter)[0]
            assert prefixes == [name for name, common in wanted if common]
            single = {name for name, common in wanted if not common}
            assert seen == [(key, id) for key, id in begun if key in single]
    target = {"Bucket": "ups", "Key": "a", "UploadId": begun[0][1]}
    for number in (1, 3, 7, 8):
        east.upload_part(**target, PartNumber=number, Body=os.urandom(10))
    pages = east.get_paginator("list_parts").paginate(**target, PaginationConfig={"PageSize": 3})
    pages = [[part["PartNumber"] for part in page.get("Parts", [])] for page in pages]
    assert pages == [[1, 3, 7], [8]]
    none = east.list_parts(**target, MaxParts=0)
    assert not none["IsTruncated"] and "Parts" not in none
    assert "Parts" not in east.list_parts(**target, PartNumberMarker=8)
