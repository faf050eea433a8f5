"""A broker with TLS and passwords: the same promises, and refusals that say what to check."""

from __future__ import annotations

import gc
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kafka
import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from mlplatform.errors import SettingsError, Unavailable
from mlplatform.local import ports
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.servers.kafka import LocalKafka, find_java
from mlplatform.queue import ensure_topic, open_consumer, open_producer
from mlplatform.settings import QueueSettings

pytestmark = [
    pytest.mark.kafka,
    # Of sockets that `_refusal` collects.
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
JARS = Path(__file__).parents[3] / ".mlplatform" / "kafka" / "lib"
DEADLINE_S = 30.0
_LISTENER = """
listeners=PLAINTEXT://127.0.0.1:{open},SASL_SSL://127.0.0.1:{guarded},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{open},SASL_SSL://127.0.0.1:{guarded}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.location={folder}/key.p12
ssl.keystore.password=changeit
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_client="secret";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""

Settings = Callable[..., QueueSettings]


def _certificate(folder: Path, name: str) -> Path:
    """A key and its self-signed certificate for this machine; the certificate as PEM."""
    keytool = shutil.which("keytool", path=str(find_java().resolve().parent)) or "keytool"
    store = ["-keystore", str(folder / f"{name}.p12"), "-storepass", "changeit", "-alias", "broker"]
    made = [
        "-genkeypair",
        "-keyalg",
        "EC",
        "-dname",
        "CN=broker",
        "-ext",
        "bc:c=ca:true",
        "-ext",
        "san=ip:127.0.0.1",
        "-validity",
        "2",
    ]
    subprocess.run([keytool, *made, *store], check=True, capture_output=True)
    subprocess.run(
        [keytool, "-exportcert", "-rfc", "-file", str(folder / f"{name}.pem"), *store],
        check=True,
        capture_output=True,
    )
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def guarded(kafka_broker: Any) -> Iterator[Settings]:
    """Settings for a broker of its own that knows one user, `client`.

    Skipped where the usual broker is: it takes the same jars.
    """
    with tempfile.TemporaryDirectory(prefix="mlplatform-kafka-") as name:
        folder = Path(name)
        ca, other = _certificate(folder, "key"), _certificate(folder, "other")
        chosen = ports.choose({"open": 0, "guarded": 0, "controller": 0})
        broker = LocalKafka(
            folder,
            find_java(),
            jars=JARS,
            port=chosen["open"],
            controller_port=chosen["controller"],
        )
        broker.prepare()
        with (folder / "server.properties").open("a") as properties:
            properties.write(_LISTENER.format(**chosen, folder=folder))
        with Supervisor([broker.spec()], logs=folder / "logs") as supervisor:
            supervisor.start()
            admin = kafka.KafkaAdminClient(bootstrap_servers=broker.url.removeprefix("kafka://"))
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion("client", ScramMechanism.SCRAM_SHA_512, b"secret")]
            )
            admin.close()

            def settings(
                mechanism: str, *, password: str = "secret", stranger: bool = False
            ) -> QueueSettings:
                return QueueSettings.model_validate(
                    {
                        "url": f"kafka://127.0.0.1:{chosen['guarded']}",
                        "security_protocol": "SASL_SSL",
                        "sasl_mechanism": mechanism,
                        "username": "client",
                        "password": password,
                        "ca_file": other if stranger else ca,
                        "topic": f"guarded-{mechanism}",
                        "group": f"guarded-{mechanism}",
                        "partitions": 2,
                    }
                )

            yield settings


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_records_travel_over_tls(guarded: Settings, mechanism: str) -> None:
    """With the right certificate and password, what was sent is read."""
    settings = guarded(mechanism)
    ensure_topic(settings)
    producer, consumer = open_producer(settings), open_consumer(settings, positions=lambda _: {})
    sent = {f"key {number}".encode() for number in range(20)}
    producer.send([(key, b"value") for key in sent])
    read: set[bytes] = set()
    deadline = time.monotonic() + DEADLINE_S
    while len(read) < len(sent) and time.monotonic() < deadline:
        read |= {record.key for record in consumer.poll(timeout_s=0.2, max_records=100)}
    producer.close()
    consumer.close()

    assert sent == read


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_named(guarded: Settings, mechanism: str) -> None:
    """Every client says that user or password are wrong, unless the broker just hung up."""
    settings = guarded(mechanism, password="guessed")

    for call in _calls(settings):
        field, said = _refusal(call)
        assert "MLPLATFORM_QUEUE__USERNAME" == field or "wrong user or password" in said
        assert "guessed" not in said


def test_a_certificate_of_a_stranger_is_not_trusted(guarded: Settings) -> None:
    """The broker's name must be vouched for by the CA that was given; nothing is sent before."""
    for call in _calls(guarded("PLAIN", stranger=True)):
        assert "MLPLATFORM_QUEUE__CA_FILE" == _refusal(call)[0]


def _refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Field and text of the error.

    kafka-python leaves the sockets of refused connections to the garbage collector, so it is called
    here.
    """
    try:
        call()
    except (SettingsError, Unavailable) as error:
        found = error.field, str(error)
    else:
        found = "", "nothing was refused"
    gc.collect()
    return found


def _calls(settings: QueueSettings) -> Iterator[Callable[[], object]]:
    yield lambda: ensure_topic(settings)
    producer = open_producer(settings)
    yield lambda: producer.send([(b"key", b"value")])
    producer.close()
    consumer = open_consumer(settings, positions=lambda _: {})
    yield lambda: consumer.poll(timeout_s=0.2, max_records=10)
    consumer.close()
