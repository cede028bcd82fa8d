"""The table of operations in docs/s3.md is that of S3, and what it says of each is so."""

import re

import pytest
from botocore.exceptions import ClientError

from harness.signed import Signer, request
from harness.site import ROOT, SECRET

ROW = re.compile(r"\| `(\w+)` \| `(\w+) (\S+)`.* \| (.+) \|")


def rows():
    """Name, method, path and state of each operation."""
    text = (ROOT / "docs" / "s3.md").read_text()
    table = text.split("| operation | request | state |")[1].split("\n\n")[0]
    found = [ROW.fullmatch(line) for line in table.splitlines()[2:]]
    assert all(found)
    return [row.groups() for row in found]


def test_the_table_has_every_operation_that_boto3_knows(pair):
    known = set(pair.east.client().meta.service_model.operation_names)
    # A browser's form is no call of a library.
    assert {name for name, *_ in rows()} - {"PostObject"} == known


def test_what_the_table_leaves_out_is_not_implemented_at_either_site(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="photos")
    east.put_object(Bucket="photos", Key="a", Body=b"1")
    for site in pair.sites:
        signer = Signer(site, ("root", SECRET))
        for name, method, path, state in rows():
            if state != "`NotImplemented`":
                continue
            path = path.replace("{bucket}", "photos").replace("{key}", "a").replace("…", "1")
            status, _, told = request(signer, method, path)
            assert status == 501 and b"<Code>NotImplemented</Code>" in told, (name, status, told)
    assert east.get_object(Bucket="photos", Key="a")["Body"].read() == b"1"


def test_headers_that_ask_for_what_cannot_be_had_are_refused(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="photos")
    for wish in (
        {"WebsiteRedirectLocation": "/elsewhere"},
        {"StorageClass": "GLACIER"},
        {"WriteOffsetBytes": 1},
    ):
        with pytest.raises(ClientError) as refused:
            east.put_object(Bucket="photos", Key="a", Body=b"1", **wish)
        code = refused.value.response["Error"]["Code"]
        assert code in ("NotImplemented", "InvalidStorageClass"), wish
    assert "Contents" not in east.list_objects_v2(Bucket="photos")
