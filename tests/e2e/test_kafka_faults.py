"""Brokers that die, all of them gone, a topic that is made anew: nothing fails, nothing is lost."""

import os
import time

import pytest

from harness.same import until_same
from harness.until import until
from test_crashes import Load, settle


def test_one_broker_of_three_killed_under_load(make_pair, kafka):
    pair = make_pair("kafka").start()
    pair.east.client().create_bucket(Bucket="broker")
    with Load(pair.east, "broker") as load:
        until(lambda: len(load.acknowledged) >= 20, "the load runs")
        kafka.stop_broker(2)
        done = pair.east.metric("s3_requests_total", op="PutObject")
        grown = lambda: pair.east.metric("s3_requests_total", op="PutObject") > done + 50
        until(grown, "writes go on without the broker")
        east, west = pair.east.client(), pair.west.client()
        east.put_object(Bucket="broker", Key="probe", Body=b"while it is away")
        arrived = lambda: west.head_object(Bucket="broker", Key="probe")
        until(arrived, "two brokers are enough for the log", 60)
        kafka.start_broker(2)
    failed = pair.east.metric("s3_requests_total", op="PutObject", status="500")
    assert failed == 0
    settle(pair, load, "broker")


@pytest.mark.parametrize("seconds", [0, 360] if os.environ.get("TOWLINE_TEST_ALL") else [0])
def test_all_brokers_away_for_a_while(make_pair, kafka, seconds):
    pair = make_pair("kafka").start()
    for site in pair.sites:
        site.allow("publishing waits for the log", "no broker of the log can be reached")
    east = pair.east.client()
    east.create_bucket(Bucket="outage")
    until_same(east, pair.west.client(), "outage")
    kafka.stop_broker(1, 2, 3)
    end, count = time.monotonic() + seconds, 0
    while count < 200 or time.monotonic() < end:
        east.put_object(Bucket="outage", Key=f"{count}", Body=os.urandom(5_000))
        count += 1
    assert pair.east.metric("history_depth_events") >= 200
    until(lambda: pair.east.metric("history_age_seconds") > 3, "its age rises")
    until(lambda: pair.west.metric("lag_seconds") > 3, "lag rises while nothing comes")
    # Over the link the secondary hears what it lacks, though the log is away.
    until(lambda: pair.west.metric("lag_events") >= 200, "it knows how many events it lacks")
    until(lambda: pair.west.metric("lag_bytes") >= 1_000_000, "and how many bytes")
    kafka.start_broker(1, 2, 3)
    until_same(east, pair.west.client(), "outage", 120 + seconds)
    until(lambda: pair.east.metric("history_depth_events") == 0, "all is acknowledged", 60)


def test_a_topic_deleted_and_made_anew_is_refilled_from_history(make_pair, kafka):
    pair = make_pair("kafka").start()
    for site in pair.sites:
        # The applier says which events it had to ask the origin for.
        site.allow("publishing waits for the log", "alarm while applying .*kind=\"gap\"")
    east = pair.east.client()
    east.create_bucket(Bucket="topic")
    for n in range(60):
        east.put_object(Bucket="topic", Key=f"before/{n}", Body=os.urandom(2_000))
    until_same(east, pair.west.client(), "topic")
    pair.west.stop()
    for n in range(60):
        east.put_object(Bucket="topic", Key=f"while/{n}", Body=os.urandom(2_000))
    command = "org.apache.kafka.tools.TopicCommand"
    kafka.tool(command, "--delete", "--topic", f"towline.{pair.east.name}")
    for n in range(60):
        east.put_object(Bucket="topic", Key=f"after/{n}", Body=os.urandom(2_000))
    pair.west.start()
    keys = until_same(east, pair.west.client(), "topic", 120)
    assert len(keys) == 180
    until(lambda: pair.west.metric("holes") == 0, "no holes are left")
