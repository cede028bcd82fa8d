"""The Java runtime, and Kafka's class path, which Maven brings once."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from failure import Failure

HERE = Path(__file__).resolve().parent
TARGET = HERE / "target"
JAVA_MIN = 17
MAVEN_SECONDS = 600
LOGGING = f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}"


def find_java():
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    install = "`apt-get install default-jre-headless` (or openjdk-17-jre-headless) installs it"
    if not java:
        where = "JAVA_HOME has no bin/java" if home else "`java` is missing"
        raise Failure(f"{where}: Kafka needs Java {JAVA_MIN} or newer; {install}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if not version or int(version[1]) < JAVA_MIN:
        found = version[1] if version else "unknown"
        raise Failure(f"{java} is Java {found}: Kafka needs {JAVA_MIN} or newer; {install}")
    return java


def find_classpath(say):
    """Copied again whenever pom.xml changed; `done` holds the hash of the one that target/lib is from."""
    TARGET.mkdir(exist_ok=True)
    library, done = TARGET / "lib", TARGET / "done"
    with open(TARGET / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pom = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()
        if not (library.is_dir() and done.exists() and done.read_text() == pom):
            if not shutil.which("mvn"):
                raise Failure("`mvn` is missing, which brings Kafka's jars; `apt-get install maven` installs it")
            say("copying Kafka's jars with Maven (once; it downloads about 45 MB if it never did)")
            done.unlink(missing_ok=True)
            shutil.rmtree(library, ignore_errors=True)
            run_maven()
            done.write_text(pom)
    return f"{library}/*"


def run_maven():
    log = TARGET / "maven.log"
    command = ["mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies"]
    try:
        with open(log, "w") as out:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  timeout=MAVEN_SECONDS).returncode
    except subprocess.TimeoutExpired:
        raise Failure(f"Maven did not finish in {MAVEN_SECONDS} s; read {log}") from None
    if code != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "[ERROR]" in line]
        raise Failure(f"Maven failed: {errors[0][:200] if errors else f'exit code {code}'}; read {log}")
