"""Results by HTTP: POST of {"board": …, "results": […]}; any 2xx acknowledges the whole batch."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from quintet_systems.pets.board.address import HTTP, split_address
from quintet_systems.pets.board.records import Stored

TIMEOUT_S = 20.0


class HttpLink:
    """Posts to `url`; see Link."""

    def __init__(self, url: str, board: str, token: str = "") -> None:
        split_address(url, HTTP)
        self._url, self._board = url, json.dumps(board).encode()
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, records: Sequence[Stored]) -> None:
        """Post one batch. A redirect is no acknowledgement."""
        body = b'{"board":%s,"results":[%s]}' % (self._board, b",".join(record.content for record in records))
        request = urllib.request.Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                if not 200 <= answer.status < 300:
                    raise OSError(f"the receiver answered {answer.status}")
        except urllib.error.HTTPError as error:
            error.close()
            raise OSError(f"the receiver answered {error.code}") from None
        except urllib.error.URLError as error:
            raise OSError(f"no answer: {error.reason}") from None
        except (ValueError, http.client.HTTPException) as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        """Nothing stays open."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:  # noqa: ARG002
        return None
