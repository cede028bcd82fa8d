"""What a site holds: buckets, the versions of their keys, and uploads under way."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta


class Refused(Exception):
    """The answer is this error."""

    def __init__(self, status, code):
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


@dataclass(frozen=True)
class Told:
    """Something must be there, and the model learns it from the answer."""

    learn: object


class InAnyOrder(list):
    """These, each once, of which the order means nothing."""


class About:
    """A date that only the site knows exactly."""

    SLACK = timedelta(minutes=2)

    def __init__(self, date):
        self.date = date

    def __eq__(self, other):
        return other is not None and abs(self.date - exact(other)) < self.SLACK

    def __repr__(self):
        return f"about {self.date}"


def exact(date):
    return date.date if isinstance(date, About) else date


@dataclass(eq=False)
class Version:
    """An object, or without a body a delete marker. Its id is learned, if it is not `null`."""

    body: bytes | None = None
    etag: str | None = None
    id: str | None = None
    # Headers and metadata, as boto3 names them.
    headers: dict = field(default_factory=dict)
    sums: dict = field(default_factory=dict)
    # The sizes of its parts, if it has any.
    parts: list | None = None
    tags: dict = field(default_factory=dict)
    acl: str = "private"
    owner: str = "root"
    # Mode and date.
    retention: tuple | None = None
    hold: str | None = None

    @property
    def marker(self):
        return self.body is None


@dataclass(eq=False)
class Upload:
    key: str
    begun: dict
    id: str | None = None
    # Body and entity tag by number.
    parts: dict = field(default_factory=dict)


@dataclass(eq=False)
class Bucket:
    versioning: str | None = None
    # Of a bucket with object lock: its default retention (mode, days), or `()`.
    lock: tuple | None = None
    acl: str = "private"
    documents: dict = field(default_factory=dict)
    # Of each key, the newest last.
    versions: dict = field(default_factory=dict)
    # Of each key, the id of the version that was removed last.
    gone: dict = field(default_factory=dict)
    # In the order in which they were begun.
    uploads: list = field(default_factory=list)

    def latest(self, key):
        """The object that a key is, if it is one."""
        held = self.versions.get(key)
        return held[-1] if held and not held[-1].marker else None

    def named(self, key, id):
        return next((v for v in self.versions.get(key, []) if v.id == id), None)

    def find(self, key, id=None):
        """The object that a read is of."""
        found = self.latest(key) if id is None else self.named(key, id)
        if found is None:
            raise Refused(404, "NoSuchKey" if id is None else "NoSuchVersion")
        if found.marker:
            raise Refused(405, "MethodNotAllowed")
        return found

    def add(self, key, version):
        """A new latest of a key; what the answer says of its id."""
        if self.versioning != "Enabled":
            version.id = "null"
            self.drop(key, self.named(key, "null"))
        self.versions.setdefault(key, []).append(version)
        return learned(version) if version.id is None else None

    def drop(self, key, version):
        if version is not None:
            self.versions[key].remove(version)
            if not self.versions[key]:
                del self.versions[key]

    def shown_id(self, version):
        """Not of a bucket that never had versioning."""
        return version.id if self.versioning else None


def learned(thing):
    """An id that the answer must give to what has none yet."""

    def learn(id):
        assert id != "null"
        thing.id = id

    return Told(learn)


def md5(body):
    return hashlib.md5(body).hexdigest()


def quoted(etag):
    return f'"{etag}"'
