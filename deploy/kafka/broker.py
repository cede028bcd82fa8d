"""One broker: its files, its process, and what it answers."""

import os
import re
import socket
import struct
import subprocess
import time

from failure import Failure
from java import LOGGING
from metadata import HOST, live_brokers
from process import Process
from settings import broker_properties

# Serial GC and two malloc arenas: the smallest footprint, and pauses that nobody notices at 256 MB. Only the first
# compiler: measured with three brokers on two cores, ready in 6 s, not 10, and 45 MB less each. The price is
# throughput, with TLS about half (the second one knows the processor's AES): KAFKA_OPTS, which comes last, undoes it.
JVM = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
       "-Djava.awt.headless=true"]
FORMAT_JVM = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
# The process writes its own pid and start time before it becomes java (exec keeps both), so that no
# crash of this program leaves a broker without a record.
LAUNCH = 'f=$1; shift; s=$(cut -d" " -f22 "/proc/$$/stat") && echo "$$ $s" >"$f" && exec "$@"'


class Broker:
    def __init__(self, directory, id, port, controller_port):
        self.id, self.port, self.controller_port = id, port, controller_port
        self.dir = directory / f"broker-{id}"
        self.log = self.dir / "server.log"
        self.pid_file = self.dir / "pid"

    def process(self):
        """None if it does not run, also when its pid meanwhile belongs to another process."""
        try:
            pid, started = map(int, self.pid_file.read_text().split())
        except (OSError, ValueError):
            return None
        process = Process(pid, started)
        return process if process.alive() else None

    def prepare(self, peers, tls):
        for port in (self.port, self.controller_port):
            if not can_bind(port):
                raise Failure(f"port {port} of broker {self.id} is in use by another process")
        self.dir.mkdir(exist_ok=True)
        (self.dir / "server.properties").write_text(broker_properties(self, peers, tls))

    def formatted(self):
        return (self.dir / "data" / "meta.properties").exists()

    def format(self, java, classpath, cluster_id):
        """Begins it, so that the brokers' run side by side; the caller waits for the exit code."""
        with open(self.dir / "console.log", "ab") as console:
            return subprocess.Popen(
                [java, *FORMAT_JVM, LOGGING, "-Dcluster.log=format.log", "-cp", classpath, "kafka.tools.StorageTool",
                 "format", f"--cluster-id={cluster_id}", "--config", "server.properties"],
                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def launch(self, java, classpath):
        options = [*JVM, LOGGING, "-Dcluster.log=server.log", *os.environ.get("KAFKA_OPTS", "").split()]
        command = [java, *options, "-cp", classpath, "kafka.Kafka", "server.properties"]
        self.pid_file.unlink(missing_ok=True)
        with open(self.dir / "console.log", "ab") as console:
            child = subprocess.Popen(
                ["/bin/sh", "-c", LAUNCH, "sh", "pid", *command], cwd=self.dir, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env={**os.environ, "MALLOC_ARENA_MAX": "2"})
        while not self.process():
            if child.poll() is not None:
                raise Failure(f"broker {self.id} did not start: {self.last_words()}")
            time.sleep(0.01)
        return child.pid

    def live_brokers(self, tls):
        """Ids of the brokers that this one knows to be alive; none if it does not answer."""
        try:
            return live_brokers(self.port, tls)
        except (OSError, struct.error):
            return []

    def last_words(self):
        for file in (self.dir / "console.log", self.log):
            lines = file.read_text(errors="replace").splitlines()[-100:] if file.exists() else []
            errors = [line for line in lines if re.search(r"\b(ERROR|FATAL|\w*Exception|Error)\b", line)]
            if errors:
                return f"{errors[-1].strip()[:200]}; read {file}"
        return f"read {self.log}"


def can_bind(port):
    with socket.socket() as probe:
        # As the broker does it, so that connections in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
