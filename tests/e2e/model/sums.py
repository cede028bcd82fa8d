"""Checksums of objects, as S3 writes them."""

import base64
import hashlib
import zlib

from awscrt import checksums

_BYTES = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": lambda body: checksums.crc32c(body).to_bytes(4, "big"),
    "CRC64NVME": lambda body: checksums.crc64nvme(body).to_bytes(8, "big"),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}
ALGORITHMS = list(_BYTES)


def _text(raw):
    return base64.b64encode(raw).decode()


def whole(algorithm, body):
    """The fields of an answer about an object whose checksum is of all its bytes."""
    if algorithm is None:
        return {}
    return {f"Checksum{algorithm}": _text(_BYTES[algorithm](body)), "ChecksumType": "FULL_OBJECT"}


def of_parts(algorithm, kind, bodies):
    """The same of an object in parts: of all its bytes, or of the checksums of its parts."""
    if algorithm in (None, "CRC64NVME") or kind == "FULL_OBJECT":
        return whole(algorithm, b"".join(bodies))
    one = _BYTES[algorithm]
    text = f"{_text(one(b''.join(map(one, bodies))))}-{len(bodies)}"
    return {f"Checksum{algorithm}": text, "ChecksumType": "COMPOSITE"}


def shown(sums, mode):
    """All fields: those that are not shown must not be there."""
    none = {f"Checksum{algorithm}": None for algorithm in ALGORITHMS} | {"ChecksumType": None}
    return none | (sums if mode == "ENABLED" else {})
