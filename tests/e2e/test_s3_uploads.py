"""Every way in for a body: chunks, trailers, links, forms, waiting for 100; looked at at both sites."""

import hashlib
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from harness.same import shown, until_same
from harness.signed import Signer, crc32, policy, post_form, put_in_chunks, request, send
from harness.site import SECRET
from harness.until import until

BODY = os.urandom(300_000)


@pytest.fixture
def sites(pair):
    """Clients of both sites, and who signs for the first; with a bucket."""
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="photos")
    return east, west, Signer(pair.east, ("root", SECRET))


def at_both(sites, key, body, **wanted):
    east, west, _ = sites
    until_same(east, west, "photos")
    for site in (east, west):
        seen = shown(site, "photos", key)
        assert seen["sha256"] == hashlib.sha256(body).hexdigest()
        assert {name: seen[name] for name in wanted} == wanted


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_chunks_with_a_trailer_are_checked_by_it(sites, signed):
    east, west, signer = sites
    right = {"x-amz-checksum-crc32": crc32(BODY)}
    status, headers, told = put_in_chunks(signer, "/photos/a", BODY, signed, right)
    assert (status, headers.get("x-amz-checksum-crc32")) == (200, crc32(BODY)), told
    at_both(sites, "a", BODY)
    for site in (east, west):
        head = site.head_object(Bucket="photos", Key="a", ChecksumMode="ENABLED")
        assert head["ChecksumCRC32"] == crc32(BODY) and "ContentEncoding" not in head
    wrong = {"x-amz-checksum-crc32": crc32(b"other")}
    status, _, told = put_in_chunks(signer, "/photos/b", BODY, signed, wrong)
    assert status == 400 and b"<Code>BadDigest</Code>" in told, told
    cut = lambda wire: wire[: len(wire) // 2]
    status, _, told = put_in_chunks(signer, "/photos/b", BODY, signed, right, spoil=cut)
    assert status == 400 and b"<Code>IncompleteBody</Code>" in told, told
    assert "Contents" not in east.list_objects_v2(Bucket="photos", Prefix="b")


def test_signed_chunks_and_trailers_cannot_be_changed(sites):
    east, _, signer = sites
    assert put_in_chunks(signer, "/photos/a", BODY, True)[0] == 200
    at_both(sites, "a", BODY)
    at = lambda where: lambda wire: wire[:where] + bytes([wire[where] ^ 1]) + wire[where + 1 :]
    status, _, told = put_in_chunks(signer, "/photos/b", BODY, True, spoil=at(100_000))
    assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in told, told
    # The trailer is signed too: a checksum that somebody on the way made right is refused.
    other, wrong = crc32(BODY).encode(), crc32(b"other").encode()
    spoil = lambda wire: wire.replace(wrong, other)
    trailer = {"x-amz-checksum-crc32": wrong.decode()}
    status, _, told = put_in_chunks(signer, "/photos/b", BODY, True, trailer, spoil)
    assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in told, told
    assert "Contents" not in east.list_objects_v2(Bucket="photos", Prefix="b")


def test_links_of_every_method_do_what_they_were_signed_for(sites):
    east, west, _ = sites
    key = {"Bucket": "photos", "Key": "ä b/c"}

    def follow(operation, method, params, body=None, code=200):
        url = east.generate_presigned_url(operation, Params=params, ExpiresIn=60)
        try:
            asked = urllib.request.Request(url, data=body, method=method)
            # Not what urllib would send by itself: it is not signed.
            asked.add_header("Content-Type", "")
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert answer.status == code
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            assert error.code == code, error.read()
            return error.read(), error.headers

    follow("put_object", "PUT", key, BODY)
    at_both(sites, "ä b/c", BODY)
    assert follow("get_object", "GET", key)[0] == BODY
    assert follow("head_object", "HEAD", key)[1]["Content-Length"] == str(len(BODY))
    assert b"<Key>" in follow("list_objects_v2", "GET", {"Bucket": "photos"})[0]
    begun = follow("create_multipart_upload", "POST", key, b"")[0].decode()
    part = {**key, "UploadId": begun.split("<UploadId>")[1].split("<")[0], "PartNumber": 1}
    etag = follow("upload_part", "PUT", part, b"in parts")[1]["ETag"]
    xml = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    xml = f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode()
    del part["PartNumber"]
    follow("complete_multipart_upload", "POST", part, xml)
    at_both(sites, "ä b/c", b"in parts")
    follow("delete_object", "DELETE", key, code=204)
    until(lambda: "Contents" not in west.list_objects_v2(Bucket="photos"), "it is gone at both")


def test_a_browser_uploads_by_a_form(sites):
    east, west, signer = sites
    fields = {
        "key": "up/${filename}",
        "Content-Type": "text/plain",
        "x-amz-meta-colour": "blue",
        "success_action_status": "201",
    }
    limits = ["content-length-range", 1, 1 << 20]
    signed = policy(signer, "photos", fields, limits, ["starts-with", "$key", "up/"])
    # The key is what the browser makes of it, so that only its beginning can be asked for.
    del fields["key"]
    signed = policy(signer, "photos", fields, limits, ["starts-with", "$key", "up/"])
    status, headers, told = post_form(signer, "photos", {"key": "up/${filename}", **signed}, BODY)
    assert status == 201 and b"<Key>up/a.txt</Key>" in told, told
    etag = headers["etag"]
    assert etag == f'"{hashlib.md5(BODY).hexdigest()}"'
    wanted = {"Metadata": {"colour": "blue"}, "ContentType": "text/plain", "ETag": etag}
    at_both(sites, "up/a.txt", BODY, **wanted)
    # boto3 makes such forms as well.
    post = east.generate_presigned_post("photos", "by boto3", ExpiresIn=60)
    assert post_form(signer, "photos", post["fields"], BODY)[0] == 204
    at_both(sites, "by boto3", BODY)

    wrong = lambda fields, file=BODY: post_form(signer, "photos", fields, file)
    status, _, told = wrong({"key": "other/a", **signed})
    assert status == 403 and b"Policy Condition failed" in told, told
    status, _, told = wrong({"key": "up/a", **signed}, os.urandom((1 << 20) + 1))
    assert status == 400 and b"<Code>EntityTooLarge</Code>" in told, told
    status, _, told = wrong({"key": "up/a", **policy(signer, "photos", {}, minutes=-1)})
    assert status == 403 and b"Policy expired" in told, told
    # A secondary takes forms as little as puts.
    there = Signer(west_site(west), ("root", SECRET))
    status, _, told = post_form(there, "photos", {"key": "up/b", **signed}, BODY)
    assert status == 403 and b"<Code>AccessDenied</Code>" in told, told


def west_site(client):
    """What a signer needs to know of a site, out of its client."""
    port = client.meta.endpoint_url.rsplit(":", 1)[1]
    return type("Site", (), {"s3_port": port})


def test_a_client_may_wait_for_100_before_it_sends_its_body(pair, sites):
    _, _, signer = sites

    def expect(headers):
        headers = {**headers, "content-length": str(len(BODY)), "expect": "100-continue"}
        connection = socket.create_connection(("127.0.0.1", pair.east.s3_port), timeout=30)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"PUT /photos/a HTTP/1.1\r\n{lines}\r\n".encode())
        return connection, connection.recv(1 << 16)

    headers, _ = signer.head("PUT", "/photos/a", {}, hashlib.sha256(BODY).hexdigest())
    connection, told = expect(headers)
    assert told.startswith(b"HTTP/1.1 100 "), told
    connection.sendall(BODY)
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
    connection.close()
    at_both(sites, "a", BODY)
    # Who is refused hears so before anything of the body is sent.
    connection, told = expect({**headers, "x-amz-date": signer.date, "authorization": "AWS x:y"})
    assert told.startswith(b"HTTP/1.1 4"), told
    connection.close()


def test_http_1_and_2_give_and_take_the_same(make_pair):
    pair = make_pair()
    for site in pair.sites:
        both = site.folder / "s3.pem"
        both.touch(0o600)
        parts = [pair.certs / f"{site.name}.{kind}" for kind in ("pem", "key")]
        both.write_text("".join(part.read_text() for part in parts))
        site.set("s3.tls_cert", "s3.pem")
        site.set("s3.domain", "s3.example.com")
    pair.start()
    sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"root:{SECRET}"]
    # Older releases of curl do not send it by themselves.
    sign += ["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    names = [f"s3.example.com:{pair.east.s3_port}:127.0.0.1"]
    names.append(f"photos.s3.example.com:{pair.east.s3_port}:127.0.0.1")

    def curl(version, *options, host="s3.example.com", path="/"):
        command = ["curl", "--silent", "--show-error", "--insecure", f"--http{version}", *sign]
        for name in names:
            command += ["--resolve", name]
        command += ["--write-out", "\n%{http_version} %{http_code}", *options]
        url = f"https://{host}:{pair.east.s3_port}{path}"
        return subprocess.run([*command, url], capture_output=True, timeout=60, check=True).stdout

    file = pair.east.folder / "body"
    file.write_bytes(b"the body")
    put = ["--upload-file", str(file)]
    assert curl("1.1", "--request", "PUT", path="/photos").endswith(b"1.1 200")
    for version, said in (("1.1", b"1.1"), ("2", b"2")):
        answer = curl(version, *put, host="photos.s3.example.com", path=f"/by-{version}")
        assert answer.endswith(said + b" 200"), answer
        path = curl(version, path=f"/photos/by-{version}")
        host = curl(version, host="photos.s3.example.com", path=f"/by-{version}")
        assert path == host == b"the body\n" + said + b" 200"
        missing = curl(version, host="photos.s3.example.com", path="/none")
        assert b"<Code>NoSuchKey</Code>" in missing and missing.endswith(b" 404")


def test_raw_requests_are_the_same_as_those_of_boto3(sites):
    _, _, signer = sites
    status, headers, _ = request(signer, "PUT", "/photos/a", BODY)
    assert (status, headers["etag"]) == (200, json.dumps(hashlib.md5(BODY).hexdigest()))
    status, _, told = request(signer, "GET", "/photos?list-type=2&max-keys=1")
    assert status == 200 and b"<Key>a</Key>" in told


def test_version_2_signs_buckets_and_objects(pair):
    options = {"signature_version": "s3", "s3": {"addressing_style": "path"}}
    east, west = pair.east.client(**options), pair.west.client(**options)
    east.create_bucket(Bucket="old")
    east.put_object(Bucket="old", Key="a b", Body=BODY)
    until_same(east, west, "old")
    for site in (east, west):
        assert site.get_object(Bucket="old", Key="a b")["Body"].read() == BODY
        url = site.generate_presigned_url("list_objects_v2", Params={"Bucket": "old"})
        with urllib.request.urlopen(url, timeout=10) as answer:
            # boto3 asks for names in the encoding of URLs.
            assert b"<Key>a%20b</Key>" in answer.read()
    east.delete_objects(Bucket="old", Delete={"Objects": [{"Key": "a b"}]})
    east.delete_bucket(Bucket="old")
    # It is as young as a signature of version 4 must be.
    signer = Signer(pair.east, ("root", SECRET))
    late = {"host": signer.host, "authorization": "AWS root:x"}
    late["date"] = "Tue, 07 Jul 2020 21:53:04 GMT"
    status, _, told = send(signer, "GET", "/", late, b"")
    assert status == 403 and b"<Code>RequestTimeTooSkewed</Code>" in told
