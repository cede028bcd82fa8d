"""The Kafka cluster of a test run: real brokers over mutual TLS, started once."""

import json
import subprocess

from .site import ROOT

_CLUSTER = ROOT / "deploy" / "kafka" / "cluster"
_JAVA = ["java", "-cp", str(ROOT / "deploy" / "kafka" / "target" / "lib" / "*")]


class Cluster:
    """Three brokers; each test has its own topic by the name of its site."""

    def __init__(self, folder):
        self.folder = folder
        self.info = json.loads(self._run("up", "--tls", "--brokers", "3", "--json").stdout)

    def _run(self, *command):
        command = [str(_CLUSTER), *command, "--dir", str(self.folder)]
        return subprocess.run(command, check=True, capture_output=True, text=True)

    def stop_broker(self, *brokers, kill=True):
        self._run("stop-broker", *map(str, brokers), *(["--kill"] if kill else []))

    def start_broker(self, *brokers):
        self._run("start-broker", *map(str, brokers))

    def tool(self, tool, *arguments):
        """One of Kafka's own tools."""
        command = [*_JAVA, tool, "--bootstrap-server", self.info["bootstrap"]]
        command += ["--command-config", str(self.folder / "client.properties"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def cut(self, topic, partitions=16):
        """Takes from a topic all that it holds, as retention does."""
        all_of_it = [{"topic": topic, "partition": n, "offset": -1} for n in range(partitions)]
        file = self.folder / f"{topic}.cut.json"
        file.write_text(json.dumps({"version": 1, "partitions": all_of_it}))
        self.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", str(file))

    def unpacked(self, segments):
        """All records in these files of a broker, as Kafka's own tool prints them."""
        command = [*_JAVA, "kafka.tools.DumpLogSegments", "--print-data-log", "--files"]
        command.append(",".join(map(str, segments)))
        return subprocess.run(command, check=True, capture_output=True).stdout

    def down(self):
        self._run("down", "--wipe")
