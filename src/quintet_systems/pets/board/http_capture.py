"""A camera over HTTP, without OpenCV: a stream of JPEGs (multipart/x-mixed-replace), or one picture asked for anew."""

import http.client
import time
import urllib.request
from collections.abc import Callable

from quintet.images import MAX_BYTES

TIMEOUT_S = 10.0
MAX_LINE = 8192
STILL_EVERY_S = 0.5


class HttpCapture:
    """Reads `url`; see Capture."""

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url, self._sleep = url, sleep
        self._answer = self._open()
        kind = self._answer.headers.get_content_type()
        self._stream = kind == "multipart/x-mixed-replace"
        if not self._stream and not kind.startswith("image/"):
            self.close()
            raise OSError(f"{url} answers {kind}, expected a picture or multipart/x-mixed-replace")

    def _open(self) -> http.client.HTTPResponse:
        try:
            return urllib.request.urlopen(self._url, timeout=TIMEOUT_S)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"{self._url}: {error}") from None

    def read(self) -> bytes | None:
        """Return the next JPEG, or None where the connection ended."""
        try:
            return self._part() if self._stream else self._still()
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def _part(self) -> bytes | None:
        length = None
        while True:
            line = self._answer.readline(MAX_LINE)
            if not line:
                return None
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
            elif line in (b"\r\n", b"\n") and length is not None:
                break
        if not 0 < length <= MAX_BYTES:
            return None
        content = self._answer.read(length)
        return content if len(content) == length else None

    def _still(self) -> bytes | None:
        if self._answer.closed:
            self._sleep(STILL_EVERY_S)
            self._answer = self._open()
        content = self._answer.read(MAX_BYTES + 1)
        self._answer.close()
        return content or None

    def close(self) -> None:
        self._answer.close()
