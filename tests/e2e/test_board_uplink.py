"""Results on their way: a real broker and a real HTTP receiver that fail as they do, and the system's notify socket."""

import datetime
import http.server
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quintet.errors import DataError
from quintet_systems.pets.board.backoff import Backoff
from quintet_systems.pets.board.http_link import HttpLink
from quintet_systems.pets.board.mqtt_link import MqttLink
from quintet_systems.pets.board.queue import Limits, Queue
from quintet_systems.pets.board.uplink import Uplink

SOON_S = 60.0


def eventually(what: Callable[[], Any]) -> None:
    until = time.monotonic() + SOON_S
    while not what():
        assert time.monotonic() < until, "it did not come about"
        threading.Event().wait(0.01)


def filled(folder: Path, n: int) -> Queue:
    queue = Queue(folder, Limits(cursor_s=0.0))
    for i in range(n):
        queue.append({"i": i})
    queue.commit(force=True)
    return queue


def patient() -> Backoff:
    return Backoff(first_s=0.01, most_s=0.05, seed=1)


class Receiver:
    """An HTTP receiver on loopback: `answers` says what to do with the next posts, then all are taken."""

    def __init__(self, *answers: str) -> None:
        self.got: list[dict] = []
        self.answers = list(answers)
        self.tokens: set[str | None] = set()
        self.board = ""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.tokens.add(self.headers.get("Authorization"))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = receiver.answers.pop(0) if receiver.answers else "take"
                if answer in ("take", "take and hang up"):
                    receiver.got += body["results"]
                    receiver.board = body["board"]
                if answer == "take":
                    self.send_response(204)
                    self.end_headers()
                elif answer.isdigit():
                    self.send_response(int(answer))
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/results"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.mark.parametrize("answers", [(), ("500", "503", "302"), ("take and hang up", "429")])
def test_http_takes_everything_in_order_and_only_a_2xx_acknowledges(tmp_path, answers):
    receiver = Receiver(*answers)
    queue = filled(tmp_path, 250)
    uplink = Uplink(queue, lambda: HttpLink(receiver.url, "board-7", "secret"), backoff=patient())
    eventually(lambda: queue.sent == 250)
    uplink.close()
    queue.close()
    receiver.close()
    numbers = [record["sequence"] for record in receiver.got]
    assert list(dict.fromkeys(numbers)) == list(range(1, 251))
    assert len(numbers) == (350 if "take and hang up" in answers else 250)  # what was taken without a word comes again
    assert receiver.board == "board-7"
    assert receiver.tokens == {"Bearer secret"}
    assert Queue(tmp_path).pending() == []


def test_no_receiver_keeps_everything_and_says_why(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    queue = filled(tmp_path, 20)
    uplink = Uplink(queue, lambda: HttpLink(f"http://127.0.0.1:{port}/", "b"), backoff=patient())
    eventually(lambda: "refused" in uplink.trouble)
    uplink.close()
    assert queue.sent == 0
    assert len(queue.pending()) == 20
    queue.close()


class Broker:
    """A real Mosquitto on loopback that can be ended and started again at the same port."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._program, self._conf = program, folder / "mosquitto.conf"
        self._conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([self._program, "-c", str(self._conf)], stderr=subprocess.DEVNULL)

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(answers)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path) -> Iterator[Broker]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        reason = "no Mosquitto here: apt-get install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    broker = Broker(program, tmp_path)
    broker.start()
    yield broker
    broker.kill()


class Listener:
    """Another client, which hears what the broker passes on."""

    def __init__(self, port: int, topic: str) -> None:
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.got: list[dict] = []
        subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.got.append(json.loads(message.payload))
        self._client.on_subscribe = lambda *arguments: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic, qos=1)
        self._client.loop_start()
        assert subscribed.wait(SOON_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.server
def test_mqtt_takes_everything_through_a_broker_that_dies(tmp_path, broker):
    queue = filled(tmp_path / "queue", 150)
    address = f"mqtt://127.0.0.1:{broker.port}/pets"
    listener = Listener(broker.port, "pets")
    uplink = Uplink(queue, lambda: MqttLink(address, "board-7", timeout_s=5.0), backoff=patient())
    eventually(lambda: queue.sent == 150)
    eventually(lambda: len(listener.got) >= 150)
    listener.close()
    broker.kill()
    for i in range(150, 300):
        queue.append({"i": i})
    queue.commit(force=True)
    eventually(lambda: uplink.trouble)
    assert queue.sent == 150
    broker.start()
    late = Listener(broker.port, "pets")
    eventually(lambda: queue.sent == 300)
    uplink.close()
    assert uplink.trouble == ""
    late.close()
    queue.close()
    assert [record["i"] for record in listener.got] == list(range(150))
    # QoS 1 acknowledged each; a listener that came back late may have missed the first of them, never the order
    heard = [record["i"] for record in late.got]
    assert heard == sorted(heard)
    assert set(heard) <= set(range(150, 300))
    assert Queue(tmp_path / "queue").pending() == []


@pytest.mark.server
def test_a_broker_that_does_not_let_us_in_is_told(tmp_path, broker):
    broker.kill()
    broker._conf.write_text(f"listener {broker.port} 127.0.0.1\nallow_anonymous false\n")
    broker.start()
    link = MqttLink(f"mqtt://someone@127.0.0.1:{broker.port}", "b", password="wrong", timeout_s=5.0)
    queue = filled(tmp_path / "queue", 3)
    with pytest.raises(OSError, match="did not let us in: Not authorized"):
        link.send(queue.pending())
    queue.close()


def write_certificates(folder: Path) -> None:
    """Write an authority (ca.pem) and the broker's certificate and key for 127.0.0.1 (broker.pem, broker.key)."""
    now = datetime.datetime.now(datetime.UTC)
    keys = {"ca": ec.generate_private_key(ec.SECP256R1()), "broker": ec.generate_private_key(ec.SECP256R1())}
    names = {who: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"a test's {who}")]) for who in keys}
    for who, key in keys.items():
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[who])
            .issuer_name(names["ca"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=who == "ca", path_length=None), critical=True)
        )
        if who == "broker":
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        certificate = builder.sign(keys["ca"], hashes.SHA256())
        (folder / f"{who}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "broker.key").write_bytes(
        keys["broker"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.mark.server
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho lets go of a refused socket unclosed
def test_mqtts_reaches_a_broker_whose_authority_is_known_and_no_other(tmp_path, broker, monkeypatch):
    write_certificates(tmp_path)
    broker.kill()
    with broker._conf.open("a") as conf:  # "user root": as root, Mosquitto would become a user who may not read them
        conf.write(f"certfile {tmp_path / 'broker.pem'}\nkeyfile {tmp_path / 'broker.key'}\nuser root\n")
    broker.start()
    address = f"mqtts://127.0.0.1:{broker.port}/pets"
    queue = filled(tmp_path / "queue", 3)
    with pytest.raises(OSError, match="certificate verify failed"):
        MqttLink(address, "b", timeout_s=5.0).send(queue.pending())
    with pytest.raises(OSError, match=r"did not let us in|reset|closed|end of file"):
        MqttLink(address.replace("mqtts", "mqtt"), "b", timeout_s=5.0).send(queue.pending())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    link = MqttLink(address, "b", timeout_s=5.0)
    link.send(queue.pending())  # comes back when the broker has acknowledged all
    link.close()
    queue.close()


@pytest.mark.parametrize(
    ("make", "address", "variable"),
    [
        (MqttLink, "mqtt://someone:hunter2@broker.example/pets", "QUINTET_MQTT_PASSWORD"),
        (HttpLink, "https://someone:hunter2@receiver.example/", "QUINTET_HTTP_TOKEN"),
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(make, address, variable):
    with pytest.raises(DataError, match=f"expected it in {variable}") as refused:
        make(address, "b")
    assert "hunter2" not in str(refused.value)
