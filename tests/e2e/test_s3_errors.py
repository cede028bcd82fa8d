"""Errors are those of S3, and each request can be found again by its id."""

import json
import re
import socket
import xml.etree.ElementTree as tree

from harness.signed import Signer, request, send
from harness.site import SECRET
from harness.until import until


def test_an_error_and_the_log_name_the_same_request(make_pair):
    pair = make_pair()
    for site in pair.sites:
        site.set("log.level", "debug")
        site.set("log.format", "json")
    pair.start()
    east = pair.east.client()
    east.create_bucket(Bucket="errors")
    until(lambda: pair.west.client().list_buckets()["Buckets"], "the bucket is at the secondary")
    for site in pair.sites:
        status, headers, told = request(Signer(site, ("root", SECRET)), "GET", "/errors/a%20b")
        document = tree.fromstring(told)
        text = {element.tag: element.text for element in document}
        assert (status, document.tag, text["Code"]) == (404, "Error", "NoSuchKey")
        assert text["Message"] == "The specified key does not exist."
        assert text["Resource"] == "/errors/a%20b"
        assert text["RequestId"] == headers["x-amz-request-id"]
        assert text["HostId"] == headers["x-amz-id-2"]
        lines = [json.loads(line) for line in site.log.read_text().splitlines()]
        answered = [line for line in lines if text["RequestId"] in json.dumps(line)]
        assert any("GetObject" in json.dumps(line) for line in answered)
        # The name of the key is for debugging only.
        assert re.fullmatch(r"[0-9a-f]{32}", text["HostId"]), text["HostId"]
    east_id, west_id = (request(Signer(s, ("root", SECRET)), "GET", "/")[1]["x-amz-id-2"] for s in pair.sites)
    assert east_id != west_id, "it names the site"


def test_who_cannot_come_in_hears_why_in_the_words_of_s3(pair):
    signer = Signer(pair.east, ("root", SECRET))
    said = lambda answer: (answer[0], re.search(rb"<Code>(\w+)</Code>", answer[2])[1].decode())
    wrong = Signer(pair.east, ("root", "wrong"))
    assert said(request(wrong, "GET", "/")) == (403, "SignatureDoesNotMatch")
    nobody = Signer(pair.east, ("nobody", "wrong"))
    assert said(request(nobody, "GET", "/")) == (403, "InvalidAccessKeyId")
    assert said(send(signer, "GET", "/", {"host": signer.host}, b"")) == (403, "AccessDenied")
    old = Signer(pair.east, ("root", SECRET))
    old.date, old.day = "20200101T000000Z", "20200101"
    old.scope = "20200101/us-east-1/s3/aws4_request"
    assert said(request(old, "GET", "/")) == (403, "RequestTimeTooSkewed")
    upper = Signer(pair.east, ("root", SECRET))
    upper.scope = upper.scope.replace("us-east-1", "US")
    status, code = said(request(upper, "GET", "/"))
    assert (status, code) == (400, "AuthorizationHeaderMalformed")


def test_requests_that_s3_knows_and_a_site_does_not_change_nothing(pair):
    east = pair.east.client()
    east.create_bucket(Bucket="keep")
    east.put_object(Bucket="keep", Key="a", Body=b"1")
    signer = Signer(pair.east, ("root", SECRET))
    for method, path, code in [
        ("DELETE", "/keep?metadataConfiguration", b"NotImplemented"),
        ("DELETE", "/keep?acl", b"MethodNotAllowed"),
        ("PUT", "/keep/a?renameObject", b"NotImplemented"),
        ("DELETE", "/keep/a?acl", b"MethodNotAllowed"),
    ]:
        status, _, told = request(signer, method, path)
        assert b"<Code>%s</Code>" % code in told, (method, path, status, told)
    assert east.get_object(Bucket="keep", Key="a")["Body"].read() == b"1"
    # In us-east-1, S3 lets an owner create a bucket again; nothing changes.
    east.create_bucket(Bucket="keep")
    assert east.get_object(Bucket="keep", Key="a")["Body"].read() == b"1"


def test_a_refusal_before_the_body_ends_the_connection(pair):
    """What such a client asks for next is not taken for the body that it has not sent."""
    head = "PUT /photos/a HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", pair.east.s3_port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    status, _, rest = answer.partition(b"\r\n")
    assert b" 404 " in status, answer
    assert b"\r\nconnection: close\r\n" in b"\r\n" + rest.lower(), answer
