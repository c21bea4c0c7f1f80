"""Results by MQTT with QoS 1, one message each: `mqtt://[user@]host[:port][/topic]`, `mqtts://` for TLS."""

import threading
import time
import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import Any

from quintet.errors import EnvironmentUnavailable
from quintet_systems.pets.board.address import MQTT, split_address
from quintet_systems.pets.board.records import Stored

TIMEOUT_S = 20.0


class MqttLink:
    """Publishes to a broker; see Link. After a failure it begins with a new client, which holds no old messages."""

    def __init__(self, url: str, board: str, password: str = "", timeout_s: float = TIMEOUT_S) -> None:
        try:
            import paho.mqtt.client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise EnvironmentUnavailable(
                "received --mqtt but no paho-mqtt, expected it for MQTT; type: pip install paho-mqtt"
            ) from None
        parts = split_address(url, MQTT)
        assert parts.hostname
        self._make = partial(mqtt.Client, CallbackAPIVersion.VERSION2, client_id=f"quintet-{board}")
        self._secure = parts.scheme == "mqtts"
        self._host, self._port = parts.hostname, parts.port or (8883 if self._secure else 1883)
        self._user, self._password = urllib.parse.unquote(parts.username or ""), password
        self._topic = urllib.parse.unquote(parts.path.lstrip("/")) or f"quintet/{board}/results"
        self._timeout_s = timeout_s
        self._client: mqtt.Client | None = None

    def send(self, records: Sequence[Stored]) -> None:
        """Publish each record, and wait until the broker has acknowledged all of them."""
        if self._client is None or not self._client.is_connected():
            self._connect()
        assert self._client is not None
        until = time.monotonic() + self._timeout_s
        try:
            waiting = [self._client.publish(self._topic, record.content, qos=1) for record in records]
            for message in waiting:
                message.wait_for_publish(timeout=max(0.0, until - time.monotonic()))
                if not message.is_published():
                    raise OSError("the broker did not acknowledge in time")
        except (ValueError, RuntimeError) as error:  # paho's own
            self.close()
            raise OSError(str(error)) from None
        except OSError:
            self.close()
            raise

    def _connect(self) -> None:
        self.close()
        answered = threading.Event()
        refused: list[str] = []

        def on_connect(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG001
            if reason.is_failure:
                refused.append(str(reason))
            answered.set()

        client = self._make()
        client.connect_timeout = self._timeout_s
        client.on_connect = on_connect
        if self._user:
            client.username_pw_set(self._user, self._password or None)
        if self._secure:
            client.tls_set()
        self._client = client
        try:
            client.connect(self._host, self._port, keepalive=30)
            client.loop_start()
            if not answered.wait(self._timeout_s) or refused:
                raise OSError(f"the broker did not let us in: {refused[0] if refused else 'no answer'}")
        except ValueError as error:
            self.close()
            raise OSError(str(error)) from None
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
