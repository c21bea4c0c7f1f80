"""A camera over HTTP, without OpenCV: a stream of JPEGs (multipart/x-mixed-replace), or one picture asked for anew."""

import http.client
import time
import urllib.parse
import urllib.request
from collections.abc import Callable

from quintet.images import MAX_BYTES

TIMEOUT_S = 10.0
MAX_LINE = 8192
STILL_EVERY_S = 0.5


class HttpCapture:
    """Reads `url`; see Capture. With a `password`, that of the user in it, by basic or digest authentication."""

    def __init__(self, url: str, password: str = "", sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urllib.parse.urlsplit(url)
        user, _, place = parts.netloc.rpartition("@")
        self._url, self._sleep = parts._replace(netloc=place).geturl(), sleep
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, self._url, urllib.parse.unquote(user), password)
        ways = (urllib.request.HTTPBasicAuthHandler, urllib.request.HTTPDigestAuthHandler) if user else ()
        self._opener = urllib.request.build_opener(*(way(known) for way in ways))
        self._answer = self._open()
        kind = self._answer.headers.get_content_type()
        self._stream = kind == "multipart/x-mixed-replace"
        if not self._stream and not kind.startswith("image/"):
            self.close()
            raise OSError(f"{self._url} answers {kind}, expected a picture or multipart/x-mixed-replace")

    def _open(self) -> http.client.HTTPResponse:
        try:
            return self._opener.open(self._url, timeout=TIMEOUT_S)
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
