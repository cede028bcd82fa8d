"""Random sequences of S3 calls against a model in memory: the same answers, and the same state at
both sites."""

import hashlib
import os

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness.same import listing, shown
from harness.until import until

# By hand, many more, and each time others.
ALL = bool(os.environ.get("TOWLINE_TEST_ALL"))
BUCKETS = ["model-a", "model-b"]
KEYS = ["a", "a/b", "a/c", "ü", "z"]
# Inline, one block, several, and none at all.
SIZES = [0, 1, 70_000, 1 << 20, 2_500_000]
PART = 5 << 20

buckets, keys, sizes = (st.sampled_from(values) for values in (BUCKETS, KEYS, SIZES))
salts = st.integers(0, 3)


def body(size, salt):
    return (hashlib.sha256(bytes([salt])).digest() * (size // 32 + 1))[:size]


def tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


class Model(RuleBasedStateMachine):
    """What a bucket holds: the bodies and entity tags by key. Uploads under way by their id."""

    pair = None

    @initialize()
    def begin(self):
        self.client = self.pair.east.client()
        self.held, self.uploads = {}, {}
        # What the sequence before has left; it must all go, whatever it was.
        for bucket in self.client.list_buckets()["Buckets"]:
            name = {"Bucket": bucket["Name"]}
            for entry in self.client.list_objects_v2(**name).get("Contents", []):
                self.client.delete_object(**name, Key=entry["Key"])
            self.client.delete_bucket(**name)

    def call(self, wanted, name, **arguments):
        """Calls the site; its answer must be an error exactly when the model says which."""
        try:
            answer = getattr(self.client, name)(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # A HEAD has no body to say more.
            assert wanted is not None and code in (wanted, "404", "412"), (name, wanted, code)
            return None
        assert wanted is None, f"{name} should have been {wanted}"
        return answer

    @rule(bucket=buckets)
    def create_bucket(self, bucket):
        # Of one that is there, us-east-1 says the same again.
        self.call(None, "create_bucket", Bucket=bucket)
        self.held.setdefault(bucket, {})

    @rule(bucket=buckets)
    def delete_bucket(self, bucket):
        held = self.held.get(bucket)
        wanted = "NoSuchBucket" if held is None else "BucketNotEmpty" if held else None
        self.call(wanted, "delete_bucket", Bucket=bucket)
        if wanted is None:
            del self.held[bucket]
            self.uploads = {i: u for i, u in self.uploads.items() if u["bucket"] != bucket}

    @rule(
        bucket=buckets,
        key=keys,
        size=sizes,
        salt=salts,
        only=st.sampled_from("none new same".split()),
    )
    def put(self, bucket, key, size, salt, only):
        held = self.held.get(bucket)
        content, condition, wanted = body(size, salt), {}, None
        if held is None:
            wanted = "NoSuchBucket"
        elif only == "new":
            wanted = "PreconditionFailed" if key in held else None
        elif only == "same":
            wanted = None if key in held else "NoSuchKey"
        if only == "new":
            condition = {"IfNoneMatch": "*"}
        elif only == "same":
            condition = {"IfMatch": held[key][1] if held and key in held else '"0"'}
        self.call(wanted, "put_object", Bucket=bucket, Key=key, Body=content, **condition)
        if wanted is None:
            held[key] = (content, tag(content))

    @rule(bucket=buckets, key=keys, other=buckets, source=keys)
    def copy(self, bucket, key, other, source):
        held, wanted = self.held.get(bucket), None
        if (bucket, key) == (other, source):
            wanted = "InvalidRequest"
        elif held is None or other not in self.held:
            wanted = "NoSuchBucket"
        elif source not in self.held[other]:
            wanted = "NoSuchKey"
        source_name = {"Bucket": other, "Key": source}
        self.call(wanted, "copy_object", Bucket=bucket, Key=key, CopySource=source_name)
        if wanted is None:
            held[key] = self.held[other][source]

    @rule(bucket=buckets, key=keys)
    def delete(self, bucket, key):
        held = self.held.get(bucket)
        wanted = "NoSuchBucket" if held is None else None
        self.call(wanted, "delete_object", Bucket=bucket, Key=key)
        if held is not None:
            held.pop(key, None)

    @rule(bucket=buckets, key=keys, first=st.integers(0, 99), length=st.integers(1, 99_999))
    def get_range(self, bucket, key, first, length):
        held = self.held.get(bucket)
        content = (held or {}).get(key, (None,))[0]
        wanted = "NoSuchBucket" if held is None else "NoSuchKey" if content is None else None
        if content is not None and first >= len(content):
            wanted = "InvalidRange"
        range = f"bytes={first}-{first + length - 1}"
        answer = self.call(wanted, "get_object", Bucket=bucket, Key=key, Range=range)
        if wanted is None:
            assert answer["Body"].read() == content[first : first + length]

    @rule(bucket=buckets, key=keys)
    def create_upload(self, bucket, key):
        wanted = None if bucket in self.held else "NoSuchBucket"
        answer = self.call(wanted, "create_multipart_upload", Bucket=bucket, Key=key)
        if wanted is None:
            self.uploads[answer["UploadId"]] = {"bucket": bucket, "key": key, "parts": {}}

    @rule(data=st.data(), number=st.integers(1, 3), salt=salts, large=st.booleans())
    def put_part(self, data, number, salt, large):
        if not self.uploads:
            return
        id = data.draw(st.sampled_from(sorted(self.uploads)))
        upload = self.uploads[id]
        content = body(PART if large else 100, salt)
        name = {"Bucket": upload["bucket"], "Key": upload["key"], "UploadId": id}
        answer = self.call(None, "upload_part", **name, PartNumber=number, Body=content)
        upload["parts"][number] = (content, answer["ETag"])

    @rule(data=st.data(), keep=st.booleans())
    def end_upload(self, data, keep):
        if not self.uploads:
            return
        id = data.draw(st.sampled_from(sorted(self.uploads)))
        upload = self.uploads[id]
        parts = sorted(upload["parts"].items())
        name = {"Bucket": upload["bucket"], "Key": upload["key"], "UploadId": id}
        if not keep:
            self.call(None, "abort_multipart_upload", **name)
            del self.uploads[id]
            return
        wanted = None
        if not parts:
            wanted = "MalformedXML"
        elif any(len(content) < PART for _, (content, _) in parts[:-1]):
            wanted = "EntityTooSmall"
        named = [{"PartNumber": number, "ETag": etag} for number, (_, etag) in parts]
        answer = self.call(
            wanted, "complete_multipart_upload", **name, MultipartUpload={"Parts": named}
        )
        if wanted is None:
            whole = b"".join(content for _, (content, _) in parts)
            self.held[upload["bucket"]][upload["key"]] = (whole, answer["ETag"])
            del self.uploads[id]

    def teardown(self):
        west = self.pair.west.client()
        names = sorted(self.held)
        wanted = {bucket: listing(self.client, bucket) for bucket in names}
        until(
            lambda: (
                [b["Name"] for b in west.list_buckets()["Buckets"]] == names
                and {bucket: listing(west, bucket) for bucket in names} == wanted
            ),
            "both sites list the same",
        )
        for bucket, held in self.held.items():
            listed = {key: (size, etag) for key, (size, etag, _) in wanted[bucket].items()}
            assert listed == {key: (len(content), etag) for key, (content, etag) in held.items()}
            for key, (content, _) in held.items():
                seen = [shown(client, bucket, key) for client in (self.client, west)]
                assert seen[0] == seen[1]
                assert seen[0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_random_calls_give_the_answers_of_a_model_and_one_state(pair):
    class OverThisPair(Model):
        pass

    OverThisPair.pair = pair
    run_state_machine_as_test(
        OverThisPair,
        settings=settings(
            max_examples=500 if ALL else 60,
            stateful_step_count=30,
            deadline=None,
            derandomize=not ALL,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
