"""The admin API and the commands on it: who may ask, and what a site says of itself."""

import json
import os

from harness.same import until_same
from harness.site import ROOT, TOKEN, Site
from harness.until import until


def status(site, code=0):
    return site.ask("status", code=code)


def test_only_who_has_the_token_may_ask_and_metrics_are_for_everybody(pair):
    east = pair.east
    for token in (None, "another-token-than-the-one"):
        code, error = east.api("GET", "/v1/users", token=token)
        assert (code, error["code"]) == (401, "unauthorized")
    assert east.api("GET", "/v1/users") == (200, {"users": []})
    for path in ("/metrics", "/health/live", "/health/ready"):
        assert east.get(path)[0] == 200
    wrong = east.folder / "wrong"
    wrong.write_text("another-token-than-the-one\n")
    refused = east.command("user", "list", "--token-file", wrong, code=1)
    assert "this is not the token of this site; send `Authorization: Bearer`" in refused.stderr
    assert TOKEN not in east.log.read_text()


def test_a_site_without_a_token_answers_nobody_and_says_which_key_to_set(make_pair):
    east = make_pair().east
    east.token = None
    east.start()
    code, error = east.api("GET", "/v1/status")
    assert (code, error["code"]) == (403, "no_token")
    assert "`admin.token_file`" in error["what_to_do"]
    refused = east.command("status", code=2)
    assert "set `admin.token_file`" in refused.stderr
    assert east.get("/metrics")[0] == 200


def test_errors_are_json_with_a_code_and_a_message(pair):
    for method, path, body, code, name in [
        ("GET", "/v1/nothing", None, 404, "no_such_path"),
        ("PUT", "/v1/users", None, 405, "wrong_method"),
        ("POST", "/v1/users", {"name": "a", "colour": "red"}, 422, "invalid"),
        ("POST", "/v1/users", {"name": "x" * 70_000}, 413, "too_large"),
        ("POST", "/v1/users", {"name": "x" * 65}, 400, "invalid"),
        ("POST", "/v1/users", {"name": "a", "id": "root"}, 400, "invalid"),
        ("GET", "/v1/users/nobody", None, 404, "no_such_user"),
    ]:
        answered, error = pair.east.api(method, path, body)
        assert (answered, error["code"]) == (code, name), error
        assert error["message"]
    assert pair.east.get("/v2")[0] == 404


def test_the_document_is_the_one_that_is_kept(pair):
    code, document = pair.east.api("GET", "/v1/openapi.json")
    assert code == 200 and document["openapi"].startswith("3.")
    assert document == json.loads((ROOT / "docs" / "openapi.json").read_text())


def test_commands_find_the_site_by_configuration_or_by_address(pair, tmp_path):
    east, binary = pair.east, Site.binary()
    address = f"http://127.0.0.1:{east.admin_port}"
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    listed = Site.run(binary, "user", "list", "--admin", address, "--token-file", token)
    assert listed.stdout == "there is no user but root\n"
    for words, says in [
        (["status"], "--config <FILE>"),
        (["status", "--admin", address], "no token"),
        (["status", "--admin", "127.0.0.1:1", "--token-file", token], "write it like"),
        (["status", "--admin", address, "--token-file", tmp_path / "none"], "No such file"),
        (["user", "create", "--config", east.config], "Usage: towline user create"),
        (["user", "create", "a", "--access-key", "x", "--config", east.config], "--secret-key-file"),
        (["user", "delete", "a", "--key", "a/b", "--config", east.config], "no such user"),
    ]:
        code = 1 if says == "no such user" else 2
        assert says in Site.run(binary, *words, code=code).stderr
    east.stop()
    away = east.command("status", code=1)
    assert f"`{address}` does not answer" in away.stderr and "is the site running?" in away.stderr


def test_status_of_two_sites_in_sync(any_pair):
    pair = any_pair
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="sync")
    for n in range(20):
        east.put_object(Bucket="sync", Key=f"{n}", Body=bytes(100_000))
    until_same(east, west, "sync")

    def in_sync():
        told = status(pair.west)["origins"][0]
        at = told["positions"]
        return told if at["written"] == at["applied"] == at["complete"] == 21 else None

    told = until(in_sync, "everything is complete")
    assert told["connected"] and told["name"] == pair.east.name
    assert (told["lag"]["events"], told["lag"]["bytes"], told["wants"]) == (0, 0, 0)
    assert sum(partition["complete"] for partition in told["partitions"]) == 21
    secondary, primary = status(pair.west), status(pair.east)
    assert (secondary["site"]["role"], primary["site"]["role"]) == ("secondary", "primary")
    assert secondary["writes_refused"]["reason"] == "secondary"
    assert primary["writes_refused"] is None and primary["written"] == 21
    acknowledged = lambda: status(pair.east)["sites"][0]["acknowledged_complete"] == 21
    until(acknowledged, "the primary has heard of it")
    assert primary["sites"][0]["name"] == pair.west.name
    assert primary["sites"][0]["silent_seconds"] < 30, "it asks each second"
    text = pair.west.command("status").stdout
    assert f"origin {pair.east.name}  followed since" in text and "complete 21" in text
    assert pair.west.name in pair.east.command("status").stdout


def test_status_while_the_origin_is_away(pair):
    pair.east.client().create_bucket(Bucket="away")
    until(lambda: pair.west.client().head_bucket(Bucket="away"), "it is followed")
    pair.east.stop()
    away = lambda: status(pair.west, code=1)
    told = until(away, "a person is called", limit=60)
    [sentence], [origin] = told["needs_human"], told["origins"]
    assert f"origin `{pair.east.name}` is not followed since" in sentence
    assert not origin["connected"] and origin["lag"]["seconds"] > 10
    assert pair.east.name in origin["last_error"]["what"] and origin["last_error"]["at"]
    human = pair.west.command("status", code=1)
    assert "a person must look" in human.stdout and human.stderr.startswith("towline: ")
    pair.east.start()
    until(lambda: status(pair.west), "it is followed again")


def test_status_with_something_parked(make_pair):
    pair = make_pair()
    pair.west.allow('alarm while applying .*kind="parked"')
    other = pair.certs / "other.key"
    other.touch(0o600)
    other.write_text(f"default:{'ab' * 32}\n")
    pair.west.set("keys.file", str(other))
    pair.start()
    pair.east.client().create_bucket(Bucket="sealed")
    until(lambda: pair.west.metric("holes", reason="parked") == 1, "the event is parked")
    told = status(pair.west, code=1)
    [origin] = told["origins"]
    assert origin["holes"] == {"parked": 1}
    [hole] = origin["some_holes"]
    assert hole["reason"] == "parked" and hole["why"] and hole["first"] == hole["last"] == 1
    assert "1 events cannot be read here" in told["needs_human"][0]
    pair.west.stop()
    pair.west.unset("keys.file")
    pair.west.start()
    until(lambda: status(pair.west)["origins"][0]["positions"]["complete"] == 1, "it is applied")


def test_an_evicted_site_is_told_until_it_registers_again(make_pair):
    pair = make_pair()
    pair.east.set("fence.max_age", "2s")
    pair.start()
    pair.east.allow("site evicted: it passed `fence.max_age`")
    pair.west.allow('alarm while applying .*kind="gap"', "events are lost at the origin")
    until(lambda: pair.east.ask("peer", "list")["sites"], "it is registered")
    pair.west.stop()
    pair.east.client().create_bucket(Bucket="evicted")
    told = until(lambda: status(pair.east, code=1), "it is evicted")
    assert [gone["name"] for gone in told["evicted"]] == [pair.west.name]
    assert f"site `{pair.west.name}` was evicted" in told["needs_human"][0]
    # Whoever looks after a restart is told as well.
    pair.east.stop()
    pair.east.start()
    assert status(pair.east, code=1)["evicted"] == told["evicted"]
    assert "sites that were evicted" in pair.east.command("status", code=1).stdout
    pair.west.start()
    until(lambda: status(pair.east)["evicted"] == [], "it registers again")


def test_one_block_that_does_not_come_is_named_while_the_rest_goes_on(make_pair):
    pair = make_pair()
    pair.west.set("puller.paused", True)
    pair.start()
    east, west = pair.east.client(), pair.west.client()
    east.create_bucket(Bucket="block")
    east.put_object(Bucket="block", Key="broken", Body=os.urandom(3 << 20))
    until(lambda: west.head_object(Bucket="block", Key="broken"), "it is applied")
    file = next((pair.east.folder / "data" / "blocks").glob("??/*"))
    aside = pair.east.folder / "aside"
    file.rename(aside)
    pair.west.stop()
    pair.west.unset("puller.paused")
    pair.west.start()
    waits = lambda: status(pair.west)["origins"][0]["waits"]
    [wait] = until(waits, "it has asked for the block")
    assert wait["what"] == f"block `{file.name}`" and pair.east.name in wait["why"]
    assert wait["since"] and 0 <= wait["seconds"] < 60
    assert f"waits for block `{file.name}` since" in pair.west.command("status").stdout
    east.put_object(Bucket="block", Key="whole", Body=os.urandom(1 << 20))
    until_same(east, west, "block")
    assert west.get_object(Bucket="block", Key="whole")["Body"].read(1)
    aside.rename(file)
    until(lambda: waits() == [], "it came")


def test_a_site_that_is_gone_for_good_is_removed_from_a_running_site(pair):
    pair.east.client().create_bucket(Bucket="gone")
    peers = lambda: pair.east.ask("peer", "list")["sites"]
    [peer] = until(peers, "it is registered")
    pair.west.stop()
    unknown = pair.east.command("peer", "remove", "nobody", code=1)
    assert f"no such site `nobody` is registered; these are: `{pair.west.name}`" in unknown.stderr
    other = pair.east.command("peer", "remove", pair.west.name, "--id", "0" * 32, code=1)
    assert "no such site" in other.stderr
    removed = pair.east.command("peer", "remove", pair.west.name, "--id", peer["id"])
    assert removed.stdout == f"nothing waits for `{pair.west.name}` any more\n"
    assert peers() == []
