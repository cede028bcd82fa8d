"""Requests as the wire has them: signed by version 4, with bodies in every form that S3 takes."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()


def crc32(body):
    """A body's CRC32 as S3 writes it."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


class Signer:
    """Signs what is sent to a site by these keys."""

    def __init__(self, site, keys):
        self.host = f"127.0.0.1:{site.s3_port}"
        self.access, self.secret = keys
        now = datetime.datetime.now(datetime.timezone.utc)
        self.date, self.day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        self.scope = f"{self.day}/us-east-1/s3/aws4_request"

    def sign(self, text):
        key = f"AWS4{self.secret}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def head(self, method, path, headers, payload):
        """All headers of a request, and the signature that its first chunk follows."""
        headers = {
            "host": self.host,
            **{name.lower(): value for name, value in headers.items()},
            "x-amz-date": self.date,
            "x-amz-content-sha256": payload,
        }
        path, _, query = path.partition("?")
        # In the order of names: `select` before `select-type`.
        pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
        query = "&".join(f"{name}={value}" for name, value in pairs)
        names = sorted(headers)
        lines = "".join(f"{name}:{headers[name]}\n" for name in names)
        canonical = "\n".join([method, path, query, lines, ";".join(names), payload])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = self.sign("\n".join(["AWS4-HMAC-SHA256", self.date, self.scope, digest]))
        credential = f"{self.access}/{self.scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, "
            f"Signature={signature}"
        )
        return headers, signature

    def chunk(self, before, data):
        """The signature of a chunk behind another."""
        kind = "AWS4-HMAC-SHA256-PAYLOAD"
        digest = hashlib.sha256(data).hexdigest()
        return self.sign("\n".join([kind, self.date, self.scope, before, EMPTY, digest]))

    def trailer(self, before, lines):
        """The signature of a trailer behind the last chunk."""
        digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        kind = "AWS4-HMAC-SHA256-TRAILER"
        return self.sign("\n".join([kind, self.date, self.scope, before, digest]))


def send(signer, method, path, headers, body):
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection(signer.host, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def request(signer, method, path, body=b"", **headers):
    """Sends a request that is signed with its whole body."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    payload = hashlib.sha256(body).hexdigest()
    headers["content-length"] = str(len(body))
    return send(signer, method, path, signer.head(method, path, headers, payload)[0], body)


def put_in_chunks(signer, path, body, signed, trailer=None, spoil=None, size=64 << 10):
    """Puts a body in chunks: signed each or not, with a trailer or not."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if signed else "STREAMING-UNSIGNED-PAYLOAD"
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))}
    if trailer:
        payload += "-TRAILER"
        headers["x-amz-trailer"] = ",".join(trailer)
    # The length is not signed: it is not known before the signatures are.
    headers, signature = signer.head("PUT", path, headers, payload)
    wire = b""
    for at in [*range(0, len(body), size), len(body)]:
        data = body[at : at + size]
        line = f"{len(data):x}"
        if signed:
            signature = signer.chunk(signature, data)
            line += f";chunk-signature={signature}"
        wire += line.encode() + b"\r\n" + data + (b"\r\n" if data else b"")
    if trailer:
        lines = [f"{name}:{value}" for name, value in trailer.items()]
        wire += "".join(f"{line}\r\n" for line in lines).encode()
        if signed:
            wire += f"x-amz-trailer-signature:{signer.trailer(signature, lines)}\r\n".encode()
    wire += b"\r\n"
    if spoil:
        wire = spoil(wire)
    headers["content-length"] = str(len(wire))
    return send(signer, "PUT", path, headers, wire)


def policy(signer, bucket, fields, *conditions, minutes=5):
    """The fields of a form that is signed, and that allows just these fields and conditions."""
    fields = {
        **fields,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{signer.access}/{signer.scope}",
        "x-amz-date": signer.date,
    }
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    document = {
        "expiration": end.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": [
            {"bucket": bucket},
            *conditions,
            *({name: value} for name, value in fields.items()),
        ],
    }
    encoded = base64.b64encode(json.dumps(document).encode()).decode()
    return {**fields, "policy": encoded, "x-amz-signature": signer.sign(encoded)}


def post_form(signer, bucket, fields, file, filename="a.txt"):
    """Posts a form as a browser does."""
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    body = b""
    for name, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        body += f"{value}\r\n".encode()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"'
    body += f"{head}\r\nContent-Type: text/plain\r\n\r\n".encode() + file
    body += f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "host": signer.host,
        "content-type": f"multipart/form-data; boundary={boundary}",
        "content-length": str(len(body)),
    }
    return send(signer, "POST", f"/{bucket}", headers, body)


def quote(text):
    """A key as a path has it."""
    return urllib.parse.quote(text)
