"""Whether two sites serve the same."""

import hashlib

from .until import until


def listing(client, bucket):
    """Every key of a bucket with its size and entity tag."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {
        entry["Key"]: (entry["Size"], entry["ETag"], entry["LastModified"])
        for page in pages
        for entry in page.get("Contents", [])
    }


def shown(client, bucket, key):
    """All that a client sees of an object, its body as a digest."""
    answer = client.get_object(Bucket=bucket, Key=key)
    digest = hashlib.sha256()
    for piece in answer["Body"].iter_chunks(1 << 20):
        digest.update(piece)
    names = ["ContentLength", "ETag", "LastModified", "Metadata", "ContentType", "CacheControl"]
    return {name: answer.get(name) for name in names} | {"sha256": digest.hexdigest()}


def until_same(east, west, bucket, limit=60.0):
    """Waits until a bucket lists alike at both sites; returns its listing."""
    wanted = listing(east, bucket)
    until(lambda: listing(west, bucket) == wanted, f"{bucket} is the same at both sites", limit)
    return wanted
