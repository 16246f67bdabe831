"""A throw-away authority and its certificate for this machine's loopback: what wss:// and https://
are made of. Both are made anew for each exchange and are worth nothing elsewhere."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from mockex.errors import ConfigError

NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Authority:
    """`pem` is the authority's certificate, which a client must trust; `context` has a certificate
    of it for `NAMES`, and its key."""

    pem: str
    context: ssl.SSLContext

    def write(self, file: Path) -> None:
        """Leave the authority's certificate in `file`.

        Raises:
            ConfigError: it cannot be written.
        """
        try:
            file.write_text(self.pem, encoding="ascii")
        except OSError as error:
            expected = f"a file that can be written ({error.strerror})"
            raise ConfigError("authority", str(file), expected) from None


def make_authority() -> Authority:
    """A new one.

    Raises:
        ConfigError: the extra `tls` is not installed.
    """
    try:
        import trustme
    except ImportError:
        expected = "the extra `tls`, which is not installed: pip install 'mockex[tls]'"
        raise ConfigError("tls", True, expected) from None
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(context)
    return Authority(authority.cert_pem.bytes().decode("ascii"), context)
