"""A real Kafka broker on this machine: Apache Kafka (KRaft, one node) on the machine's Java.

    java = find_java()
    fetch(home / "kafka" / "lib")    # from Maven Central, unless the jars are there
    broker = LocalKafka(home / "kafka", java)
    broker.prepare()                 # configuration; formats the storage on first use
    Supervisor([broker.spec()], logs=home / "logs").start()
    broker.url                       # kafka://127.0.0.1:PORT

As a program it does all of it and runs until Ctrl-C, or only fetches:

    python -m mlplatform.local.servers.kafka [--home FOLDER] [--port PORT] [--fetch]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mlplatform.errors import PlatformError, SettingsError, Unavailable
from mlplatform.local import ports
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers.kafka_health import responds
from mlplatform.queue.kafka_client import answers

NAME = "kafka"
POM = Path(__file__).parents[4] / "tools" / "kafka" / "pom.xml"
"""Which Kafka is fetched. It stands in a checkout; an installed package has none."""
HEAP = "-Xmx256m"
"""Enough for one node and a few topics; Java's default takes 512 MB and more of resident memory."""
_OLDEST_JAVA = 17
# Pinned: without a version mvn takes whatever is newest.
_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_COMPLETE = ".complete"
_FETCH_S = 900
_TOOL_S = 60

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
# One node has no copy to fall back on: a record that was acknowledged must be on the disk.
log.flush.interval.messages=1
"""
_LOG4J = """\
Configuration:
  status: warn
  appenders:
    Console:
      name: out
      target: SYSTEM_OUT
      PatternLayout:
        pattern: "%d{ISO8601} %p %m (%c)%n"
  Loggers:
    Root:
      level: warn
      AppenderRef:
        ref: out
"""


def find_java() -> Path:
    """Java 17 or later, from JAVA_HOME or the PATH. Raises SettingsError when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = found or shutil.which("java")
    if not found:
        raise SettingsError(
            "Kafka needs Java, and there is none",
            fix=f"install Java {_OLDEST_JAVA} or later, or use the embedded queue",
        )
    version = subprocess.run(
        [found, "-version"], capture_output=True, text=True, check=False
    ).stderr
    major = re.search(r'version "(\d+)', version)
    if not major or int(major[1]) < _OLDEST_JAVA:
        raise SettingsError(
            f"Kafka needs Java {_OLDEST_JAVA} or later, {found} is {version.splitlines()[:1]}"
        )
    return Path(found)


def fetch(jars: Path, *, pom: Path = POM) -> None:
    """Have Kafka's jars (about 55 MB) in that folder; does nothing when they are there.

    Needs mvn and its repository. Blocks.
    """
    if (jars / _COMPLETE).exists():
        return
    maven = shutil.which("mvn")
    if not maven:
        raise SettingsError(
            "Kafka's jars are fetched with mvn, and there is none",
            fix="install Maven, or use the embedded queue",
        )
    if not pom.exists():
        raise SettingsError(f"there is no {pom}", fix="run this from a checkout of the project")
    options = ("-DincludeScope=runtime", f"-DoutputDirectory={jars.resolve()}")
    goal = (f"{_DEPENDENCY_PLUGIN}:copy-dependencies", *options)
    _output("mvn", [maven, "-q", "-B", "-f", str(pom), *goal], timeout_s=_FETCH_S)
    (jars / _COMPLETE).touch()  # last: a fetch that was interrupted is done again


def _output(name: str, argv: Sequence[str], *, timeout_s: float) -> str:
    """What a program prints. Raises Unavailable with the end of its complaint when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout_s)
    if done.returncode:
        complaint = (done.stdout + done.stderr).strip()[-1000:]
        raise Unavailable(f"{name} failed: {complaint}")
    return done.stdout


class LocalKafka:
    """One broker with its folder. Port 0 takes any free port, as does a port that is in use."""

    def __init__(
        self,
        folder: Path,
        java: Path,
        *,
        jars: Path | None = None,
        port: int = 0,
        controller_port: int = 0,
    ) -> None:
        self._folder = folder
        self._java = java
        self._jars = jars or folder / "lib"
        chosen = ports.choose({"broker": port, "controller": controller_port})
        self._port, self._controller_port = chosen["broker"], chosen["controller"]

    @property
    def url(self) -> str:
        """For the setting `queue.url`."""
        return f"kafka://{self._server}"

    @property
    def _server(self) -> str:
        return f"{ports.HOST}:{self._port}"

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def prepare(self) -> None:
        """Write the configuration; on first use give the storage its id.

        Raises Unavailable when Kafka's tool refuses.
        """
        data = self._folder / "data"
        self._folder.mkdir(parents=True, exist_ok=True)
        values = {
            "host": ports.HOST,
            "port": self._port,
            "controller_port": self._controller_port,
            "data": data.resolve(),
        }
        self._properties.write_text(_PROPERTIES.format(**values))
        (self._folder / "log4j2.yaml").write_text(_LOG4J)
        if not (data / "meta.properties").exists():
            cluster = self._tool("random-uuid").split()[-1]
            self._tool("format", "--standalone", "-t", cluster, "-c", str(self._properties))

    def spec(self, *, needs: Sequence[str] = ()) -> ProcessSpec:
        """The broker's process; ready when it answers a client."""
        return ProcessSpec(
            name=NAME,
            argv=(*self._command(HEAP, "-XX:+UseSerialGC"), "kafka.Kafka", str(self._properties)),
            environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
            folder=self._folder,
            needs=tuple(needs),
            ready=lambda: answers(self._server),
            ready_timeout_s=120.0,
            health=lambda: responds(self._server),
            silent_s=120.0,  # it has no watchdog, and a collection of all memory holds it up
        )

    def _tool(self, *arguments: str) -> str:
        argv = (*self._command(), "kafka.tools.StorageTool", *arguments)
        return _output("Kafka's storage tool", argv, timeout_s=_TOOL_S)

    def _command(self, *options: str) -> tuple[str, ...]:
        log4j = f"-Dlog4j2.configurationFile={(self._folder / 'log4j2.yaml').resolve()}"
        return (str(self._java), *options, log4j, "-cp", f"{self._jars.resolve()}/*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch and run a broker until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m mlplatform.local.servers.kafka",
        description="Run a Kafka broker on this machine.",
    )
    parser.add_argument(
        "--home", type=Path, default=Path(".mlplatform"), help="folder of the local stack"
    )
    parser.add_argument(
        "--port", type=int, default=9092, help="another one is taken when it is in use"
    )
    parser.add_argument("--fetch", action="store_true", help="only fetch the jars")
    options = parser.parse_args(arguments)
    try:
        java, folder = find_java(), options.home / NAME
        fetch(folder / "lib")
        if not options.fetch:
            _run(LocalKafka(folder, java, port=options.port), options.home / "logs")
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(broker: LocalKafka, logs: Path) -> None:
    broker.prepare()
    with Supervisor([broker.spec()], logs=logs) as supervisor:
        supervisor.start()
        sys.stdout.write(f"Kafka answers at {broker.url}; Ctrl-C ends it.\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main())
