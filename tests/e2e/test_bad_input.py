"""Whatever is wrong is one clear line on standard error, and exit code 1 or 2."""

import pytest

from harness.site import Site
from harness.until import until


@pytest.fixture
def site(make_pair):
    """A site that is configured and does not run."""
    east = make_pair().east
    east.write_config()
    return east


def ends(site, code, *says):
    """`towline site` ends with this code and one line that says all of this."""
    outcome = Site.run(Site.binary(), "site", "--config", site.config, code=code)
    errors = [line for line in outcome.stderr.splitlines() if " INFO " not in line]
    assert len(errors) == 1, outcome.stderr
    for text in says:
        assert text in errors[0], errors[0]


@pytest.mark.parametrize(
    "find, put, says",
    [
        ("listen =", "lissten =", ["site.toml:", "unknown field `lissten`"]),
        ('root_access_key = "root"', "root_access_key = 5", ["`s3.root_access_key`", "string"]),
        ('root_access_key = "root"', "", ["missing field `root_access_key`"]),
        ("[keys]", "[keys", ["site.toml:"]),
        ("class.key", "no-such.key", ["`keys.file`", "No such file", "towline certs"]),
        ('name = "', 'name = "Not A Name ', ["`site.name`", "must be 1 to 32"]),
        ('data = "data"', 'data = "data"\npartitions = 3', ["`site.partitions`", "power of two"]),
    ],
)
def test_a_wrong_configuration_names_place_and_cure(site, find, put, says):
    text = site.config.read_text()
    assert find in text
    site.config.write_text(text.replace(find, put, 1))
    ends(site, 2, *says)
    check = Site.run(Site.binary(), "config", "check", "--config", site.config, code=2)
    assert says[-1] in check.stderr


def test_files_that_are_not_what_they_should_be(site):
    key = site.certs / "class.key"
    text = key.read_text()
    key.write_text("default:123\n")
    ends(site, 1, "class.key", "line 1")
    key.write_text(text)
    (site.certs / f"{site.name}.pem").write_text("not a certificate")
    ends(site, 1, f"{site.name}.pem", "towline certs")


def test_a_data_folder_that_does_not_fit(site):
    site.start()
    other = Site.run(
        Site.binary(), "site", "--config", site.config,
        *("--set", "s3.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0"),
        *("--set", "link.listen=127.0.0.1:0"), code=1,
    )
    assert "in use by another process" in other.stderr
    site.stop()
    written = site.folder / "data" / "format"
    format = written.read_text()
    newer = int(format) + 1
    written.write_text(f"{newer}\n")
    ends(site, 1, f"format {newer}", "use a newer release")
    written.write_text(format)
    site.set("site.partitions", 32)
    site.write_config()
    ends(site, 1, "has 16 partitions, the configuration says 32")


def test_a_port_that_is_taken(site):
    site.start()
    text = site.config.read_text().replace('data = "data"', 'data = "other"')
    second = site.folder / "second.toml"
    second.write_text(text)
    outcome = Site.run(Site.binary(), "site", "--config", second, code=1)
    assert "`s3.listen`: bind" in outcome.stderr


def test_a_topic_that_does_not_fit_is_named_with_what_to_change(make_pair, kafka):
    pair = make_pair("kafka")
    command = "org.apache.kafka.tools.TopicCommand"
    topic = f"towline.{pair.east.name}"
    kafka.tool(command, "--create", "--topic", topic, "--partitions", "3")
    pair.east.allow("publishing waits for the log")
    pair.east.start()
    until(lambda: "does not fit" in pair.east.log.read_text(), "the misfit is logged")
    line = next(line for line in pair.east.log.read_text().splitlines() if "does not fit" in line)
    assert "partitions" in line and "16" in line
    pair.east.client().create_bucket(Bucket="anyway")


def test_usage_errors_show_the_way():
    for command in (["site"], ["certs"], ["config", "check"], ["nonsense"]):
        outcome = Site.run(Site.binary(), *command, code=2)
        assert "Usage" in outcome.stderr or "required" in outcome.stderr, outcome.stderr
