"""The access log: a record of each request in a file, and delivered into buckets at both sites."""

import json
import re
import signal
import time
import urllib.error
import urllib.request

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from harness.signed import Signer, policy, post_form
from harness.site import BINARY, SECRET
from harness.until import until

# The expression by which AWS has records read in Athena, with a name for each field.
RECORD = re.compile(
    r"(?P<owner>[^ ]*) (?P<bucket>[^ ]*) \[(?P<time>.*?)\] (?P<ip>[^ ]*) (?P<requester>[^ ]*) "
    r"(?P<id>[^ ]*) (?P<operation>[^ ]*) (?P<key>[^ ]*) (?P<uri>\"[^\"]*\"|-) (?P<status>-|[0-9]*) "
    r"(?P<error>[^ ]*) (?P<sent>[^ ]*) (?P<size>[^ ]*) (?P<total>[^ ]*) (?P<turn>[^ ]*) "
    r"(?P<referer>[^ ]*) (?P<agent>\"[^\"]*\"|-) (?P<version>[^ ]*) (?P<host_id>[^ ]*) "
    r"(?P<signature>[^ ]*) (?P<cipher>[^ ]*) (?P<auth>[^ ]*) (?P<host>[^ ]*) (?P<tls>[^ ]*) "
    r"(?P<arn>[^ ]*) (?P<acl>[^ ]*)"
)
FILE = "access.log"


def parsed(text):
    """All records of a text, which must be nothing else."""
    found = [RECORD.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [record.groupdict() for record in found]


def in_file(site, name=FILE):
    return parsed((site.folder / name).read_text())


def record(records, answer):
    """The record of a request, by the id in its answer."""
    meta = answer.response if isinstance(answer, ClientError) else answer
    request = meta["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    return next(one for one in records if one["id"] == request)


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value


def status(site, path, method="GET", **headers):
    """Status of an answer to a request that nobody signed."""
    url = f"http://127.0.0.1:{site.s3_port}{path}"
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def log_to(client, source, target="logs", prefix="log/", **more):
    enabled = {"TargetBucket": target, "TargetPrefix": prefix, **more}
    client.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": enabled})


def open_to_records(client, target="logs", sources="*"):
    """Lets records of these buckets of the root user be delivered into a bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{sources}"},
            "StringEquals": {"aws:SourceAccount": "root"},
        },
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_bucket_policy(Bucket=target, Policy=text)


def delivered(client, target="logs"):
    """Keys and records of all objects in a bucket."""
    listed = client.list_objects_v2(Bucket=target).get("Contents", [])
    read = lambda key: client.get_object(Bucket=target, Key=key)["Body"].read().decode()
    return {one["Key"]: parsed(read(one["Key"])) for one in listed}


def all_of(objects):
    return [record for records in objects.values() for record in records]


@pytest.fixture
def logging_pair(make_pair):
    """A pair with a file at each site, and deliveries each half second."""
    pair = make_pair()
    for site in pair.sites:
        site.set("s3.access_log", FILE)
        site.set("s3.log_delivery_interval", "500ms")
    pair.start()
    for bucket in ("photos", "logs"):
        pair.east.client().create_bucket(Bucket=bucket)
    return pair


def test_every_request_is_a_record_in_the_file_of_its_site(logging_pair):
    pair, key = logging_pair, "a b/é"
    east, west = pair.east.client(), pair.west.client()
    put = east.put_object(Bucket="photos", Key=key, Body=b"x" * 100_000)
    until(lambda: west.head_object(Bucket="photos", Key=key), "the object is there")
    got = west.get_object(Bucket="photos", Key=key)
    assert len(got["Body"].read()) == 100_000
    missing = refused(east.get_object, Bucket="photos", Key="none")
    readonly = refused(west.put_object, Bucket="photos", Key="b", Body=b"1")
    wrong = refused(pair.east.client(("root", "wrong")).list_buckets)
    nobody = pair.east.client(signature_version=UNSIGNED)
    denied = refused(nobody.list_objects_v2, Bucket="photos")
    gone = east.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "c"}, {"Key": "d"}]})
    assert status(pair.east, "/photos/a", "OPTIONS", Origin="http://page") == 400
    signer = Signer(pair.east, ("root", SECRET))
    form = policy(signer, "photos", {"key": "posted"})
    assert post_form(signer, "photos", form, b"123")[0] == 204
    link = east.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "posted"})
    agent = {"User-Agent": 'an "agent"', "Referer": "http://page/x y"}
    with urllib.request.urlopen(urllib.request.Request(link, headers=agent)) as answer:
        assert answer.read() == b"123"
    until(lambda: in_file(pair.east)[-1]["agent"].startswith('"an '), "all records are written")
    here = in_file(pair.east)
    one = record(here, put)
    assert (one["operation"], one["key"]) == ("REST.PUT.OBJECT", "a%20b/%C3%A9")
    assert (one["owner"], one["bucket"], one["requester"]) == ("root", "photos", "root")
    assert (one["status"], one["error"], one["size"]) == ("200", "-", "100000")
    assert (one["ip"], one["host"]) == ("127.0.0.1", f"127.0.0.1:{pair.east.s3_port}")
    assert (one["signature"], one["auth"], one["tls"]) == ("SigV4", "AuthHeader", "-")
    assert int(one["total"]) >= int(one["turn"])
    for answer, expected in [
        (missing, ("REST.GET.OBJECT", "404", "NoSuchKey", "root")),
        (wrong, ("REST.GET.SERVICE", "403", "SignatureDoesNotMatch", "-")),
        (denied, ("REST.GET.BUCKET", "403", "AccessDenied", "-")),
    ]:
        one = record(here, answer)
        assert (one["operation"], one["status"], one["error"], one["requester"]) == expected
    many = [one for one in here if one["id"] == record(here, gone)["id"]]
    assert [(one["operation"], one["key"]) for one in many] == [
        ("REST.POST.MULTI_OBJECT_DELETE", "-"),
        ("BATCH.DELETE.OBJECT", "c"),
        ("BATCH.DELETE.OBJECT", "d"),
    ]
    assert [one["operation"] for one in here[-3:]] == [
        "REST.OPTIONS.PREFLIGHT", "REST.POST.BUCKET", "REST.GET.OBJECT",
    ]
    assert (here[-2]["key"], here[-2]["size"]) == ("posted", "3")
    last = here[-1]
    assert (last["auth"], last["agent"]) == ("QueryString", '"an %22agent%22"')
    assert last["referer"] == '"http://page/x%20y"'
    assert re.search(r"Signature=-[& ]", last["uri"]), "nobody asks that again"
    until(lambda: record(in_file(pair.west), readonly), "the other site has its own")
    there = in_file(pair.west)
    one = record(there, readonly)
    assert (one["operation"], one["status"], one["error"]) == ("REST.PUT.OBJECT", "403", "AccessDenied")
    one = record(there, got)
    assert (one["operation"], one["sent"], one["size"]) == ("REST.GET.OBJECT", "100000", "100000")
    assert {one["host_id"] for one in here}.isdisjoint({one["host_id"] for one in there})


def test_a_record_says_how_its_connection_was_encrypted(make_pair):
    site = make_pair().east
    both = site.folder / "s3.pem"
    both.touch(0o600)
    both.write_text("".join((site.certs / f"{site.name}.{kind}").read_text() for kind in ("pem", "key")))
    site.set("s3.tls_cert", "s3.pem")
    site.set("s3.access_log", FILE)
    site.start()
    ask = ["curl", "--silent", "--cacert", site.certs / "ca.pem", "--output", "/dev/null"]
    url = f"https://localhost:{site.s3_port}/photos"
    site.run(*ask, "--http2", url)
    site.run(*ask, "--http1.1", "--tls-max", "1.2", url)
    found = until(lambda: len(in_file(site)) == 2 and in_file(site), "both are written")
    protocols = [one["uri"].split()[-1] for one in found]
    assert protocols == ['HTTP/2.0"', 'HTTP/1.1"']
    assert [one["tls"] for one in found] == ["TLSv1.3", "TLSv1.2"]
    assert found[0]["cipher"].startswith("TLS_") and found[1]["cipher"].startswith("ECDHE-")
    assert {one["host"] for one in found} == {f"localhost:{site.s3_port}"}


def test_a_file_that_is_moved_away_is_followed_by_a_new_one(logging_pair):
    east, site = logging_pair.east.client(), logging_pair.east
    path = site.folder / FILE
    before = east.list_objects_v2(Bucket="photos")
    until(lambda: record(in_file(site), before), "the record is written")
    path.rename(site.folder / "access.log.1")
    until(path.exists, "by itself there is a new file")
    after = east.list_objects_v2(Bucket="photos")
    until(lambda: record(in_file(site), after), "the next record is in the new one")
    assert record(in_file(site, "access.log.1"), before)
    # As logrotate does it: moved, and told.
    path.rename(site.folder / "access.log.2")
    site.process.send_signal(signal.SIGHUP)
    until(path.exists, "there is a new file")
    last = east.list_objects_v2(Bucket="photos")
    until(lambda: record(in_file(site), last), "the last record is there")
    every = [one for name in (FILE, "access.log.1", "access.log.2") for one in in_file(site, name)]
    assert len(every) == len({(one["id"], one["operation"], one["key"]) for one in every})
    written = lambda: site.metric("access_log_records_total", to="file")
    until(lambda: written() == len(every), "none is lost")


def test_a_bucket_logs_into_another_and_both_sites_have_it(logging_pair):
    pair = logging_pair
    east, west = pair.east.client(), pair.west.client()
    open_to_records(east, sources="photos")
    east.put_bucket_versioning(Bucket="logs", VersioningConfiguration={"Status": "Enabled"})
    by_day = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    log_to(east, "photos", TargetObjectKeyFormat=by_day)
    shown = lambda site: site.get_bucket_logging(Bucket="photos").get("LoggingEnabled")
    enabled = {"TargetBucket": "logs", "TargetPrefix": "log/", "TargetObjectKeyFormat": by_day}
    assert shown(east) == enabled
    until(lambda: shown(west) == enabled, "the setting is at the other site")
    put = east.put_object(Bucket="photos", Key="a", Body=b"12345")
    denied = refused(pair.east.client(signature_version=UNSIGNED).get_object, Bucket="photos", Key="a")
    other = east.list_objects_v2(Bucket="logs")
    until(lambda: record(all_of(delivered(east)), denied), "records are delivered")
    until(lambda: delivered(west) == delivered(east), "and are at the other site", limit=60)
    objects = delivered(west)
    day = time.strftime("%Y/%m/%d", time.gmtime())
    name = rf"log/root/us-east-1/photos/{day}/{day.replace('/', '-')}-00-00-00-[0-9A-F]{{16}}"
    assert all(re.fullmatch(name, key) for key in objects), list(objects)
    one = record(all_of(objects), put)
    assert (one["operation"], one["key"], one["size"]) == ("REST.PUT.OBJECT", "a", "5")
    assert record(all_of(objects), denied)["error"] == "AccessDenied"
    assert {one["bucket"] for one in all_of(objects)} == {"photos"}, "that of no other bucket"
    assert not any(one["id"] == other["ResponseMetadata"]["RequestId"] for one in all_of(objects))
    head = west.head_object(Bucket="logs", Key=next(iter(objects)))
    assert head["ContentType"] == "text/plain" and "VersionId" in head
    # A secondary delivers nothing of its own.
    reads = west.head_object(Bucket="photos", Key="a")
    until(lambda: record(in_file(pair.west), reads), "it is in the file there")
    assert pair.west.metric("access_log_deliveries_total") == 0
    east.put_bucket_logging(Bucket="photos", BucketLoggingStatus={})
    until(lambda: not shown(west), "it is taken away at both sites")


def test_what_waits_is_delivered_when_the_site_stops(make_pair):
    pair = make_pair()
    pair.east.set("s3.log_delivery_interval", "1h")
    east = pair.start().east.client()
    for bucket in ("photos", "logs"):
        east.create_bucket(Bucket=bucket)
    east.put_bucket_acl(Bucket="logs", ACL="log-delivery-write")
    log_to(east, "photos", prefix="")
    # Records begin once the site has taken note of the setting, and are delivered at a change of it.
    def begun():
        east.head_bucket(Bucket="photos")
        log_to(east, "photos", prefix=f"{time.monotonic()}/")
        return delivered(east)

    until(begun, "records are taken down")
    log_to(east, "photos", prefix="last/")
    put = east.put_object(Bucket="photos", Key="a", Body=b"1")
    assert pair.east.stop() == 0
    pair.east.start()
    last = [records for key, records in delivered(east).items() if key.startswith("last/")]
    assert [record(records, put)["operation"] for records in last] == ["REST.PUT.OBJECT"]
    west = pair.west.client()
    until(lambda: delivered(west) == delivered(east), "and replicated", limit=60)


def test_records_that_cannot_be_delivered_are_dropped_in_time_and_told_of(logging_pair):
    site = logging_pair.east
    site.allow("records were not delivered")
    east = site.client()
    open_to_records(east)
    log_to(east, "photos")
    east.list_objects_v2(Bucket="photos")
    until(lambda: delivered(east), "records are delivered")
    east.delete_bucket_policy(Bucket="logs")
    east.list_objects_v2(Bucket="photos")
    lost = lambda: site.metric("access_log_lost_total", reason="delivery")
    until(lambda: lost() >= 1, "they are given up")
    assert site.metric("access_log_deliveries_total", outcome="failed") >= 3
    assert "logging.s3.amazonaws.com" in site.log.read_text(), "the log says why"
    open_to_records(east)
    again = east.list_objects_v2(Bucket="photos")
    until(lambda: record(all_of(delivered(east)), again), "what comes later is delivered again")


def test_a_target_must_be_there_be_the_owners_and_be_open(pair):
    east = pair.east.client()
    for bucket in ("photos", "logs"):
        east.create_bucket(Bucket=bucket)
    code = lambda **more: refused(log_to, client=east, source="photos", **more).response["Error"]["Code"]
    assert code() == "InvalidTargetBucketForLogging", "it is closed"
    assert code(target="none") == "InvalidTargetBucketForLogging"
    open_to_records(east, sources="another")
    assert code() == "InvalidTargetBucketForLogging", "to this source"
    open_to_records(east)
    assert code(prefix="x" * 801) == "InvalidArgument"
    log_to(east, "photos")
    secondary = refused(log_to, client=pair.west.client(), source="photos")
    assert secondary.response["Error"]["Code"] == "AccessDenied"


def test_a_pace_is_taken_on_without_a_restart(logging_pair):
    site, east = logging_pair.east, logging_pair.east.client()
    open_to_records(east)
    log_to(east, "photos")
    site.set("s3.log_delivery_interval", "1h")
    site.set("s3.log_delivery_size", "1KiB")
    site.reload()
    before = site.metric("access_log_deliveries_total", outcome="done")

    def full():
        east.list_objects_v2(Bucket="photos")
        return site.metric("access_log_deliveries_total", outcome="done") > before

    until(full, "a kilobyte of records does not wait")


def test_a_file_that_cannot_be_written_is_told_at_the_start(make_pair):
    site = make_pair().east
    site.set("s3.access_log", "none/access.log")
    site.write_config()
    told = site.run(BINARY, "config", "check", "--config", site.config, code=2).stderr
    assert "key `s3.access_log`" in told and "there is no such folder" in told
    (site.folder / FILE).mkdir()
    site.set("s3.access_log", FILE)
    site.write_config()
    told = site.run(BINARY, "site", "--config", site.config, code=1).stderr
    assert "key `s3.access_log`: open" in told and "Is a directory" in told
