"""The other side of the admin API: a running exchange, as a program calls it.

Imported only by who calls one: the HTTP client costs a program a tenth of a second.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx2

from mockex.errors import AdminError, ConfigError

_CONNECT_S = 2.0
_ANSWER_S = 10.0  # beside what was asked to wait for


class AdminClient:
    """Calls to one exchange. `setting` is how whoever gave the address calls it.

    Raises:
        ConfigError: it is no address.
    """

    def __init__(self, url: str, setting: str) -> None:
        self._url, self._setting = url, setting
        try:
            self._http = httpx2.Client(base_url=url, trust_env=False)
        except httpx2.InvalidURL as error:
            raise self._nobody(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give its connections back."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        wait_s: float = 0.0,
    ) -> Any:
        """The JSON of the answer. `wait_s`: what the exchange was asked to wait.

        Raises:
            ConfigError: no exchange is there.
            AdminError: it refused, or went away before it answered.
        """
        more: dict[str, Any] = {"params": params}
        if json is not None:
            more["json"] = json
        if content is not None:
            more |= {"content": content, "headers": {"content-type": content_type}}
        limits = httpx2.Timeout(_ANSWER_S + wait_s, connect=_CONNECT_S)
        gone = f"{self._url}: the exchange has gone, or does not answer"
        try:
            response = self._http.request(method, f"/api/v1{path}", timeout=limits, **more)
            answer = response.json()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._nobody(f"nothing answers there ({error})") from None
        except httpx2.UnsupportedProtocol as error:
            raise self._nobody(str(error)) from None
        except httpx2.TransportError as error:
            raise AdminError(0, f"{gone} ({type(error).__name__})") from None
        except ValueError:
            if response.is_server_error:  # what it says to who still waits when it ends
                raise AdminError(0, gone) from None
            raise self._nobody("something else answers there") from None
        if response.is_success:
            return answer
        detail = answer.get("detail") if isinstance(answer, dict) else None
        raise AdminError(response.status_code, str(detail or response.reason_phrase))

    def _nobody(self, why: str) -> ConfigError:
        expected = "the admin URL of a running exchange, as `mockex serve` says it (admin=…)"
        return ConfigError(self._setting, self._url, f"{expected}: {why}")
