"""Uploads in parts: what the tests of them do again and again."""

from concurrent.futures import ThreadPoolExecutor


def upload(client, bucket, key, bodies, **options):
    """Uploads parts all at once, the last first; returns the id and the parts as to be named."""
    id = client.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    target = {"Bucket": bucket, "Key": key, "UploadId": id}
    named = {k: v for k, v in options.items() if k == "ChecksumAlgorithm"}

    def put(number):
        body = bodies[number - 1]
        answer = client.upload_part(**target, PartNumber=number, Body=body, **named)
        sums = {k: v for k, v in answer.items() if k.startswith("Checksum") and v}
        return {"PartNumber": number, "ETag": answer["ETag"], **sums}

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(put, range(len(bodies), 0, -1)))
    return target, parts[::-1]


def upload_copies(client, bucket, key, sources, workers=2):
    """An upload whose parts are copies: of whole objects, or of (object, range) in turn."""
    id = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    target = {"Bucket": bucket, "Key": key, "UploadId": id}

    def copy(numbered):
        number, source = numbered
        name, range = source if isinstance(source, tuple) else (source, None)
        wish = {"CopySourceRange": range} if range else {}
        copied = client.upload_part_copy(
            **target, PartNumber=number, CopySource={"Bucket": bucket, "Key": name}, **wish
        )
        return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}

    with ThreadPoolExecutor(workers) as pool:
        return target, list(pool.map(copy, enumerate(sources, 1)))


def complete(client, target, parts, **options):
    return client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, **options)
