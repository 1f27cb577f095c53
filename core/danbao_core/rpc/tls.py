"""TLS by certificate files that may be replaced while the server runs.

Whoever renews certificates writes the files; the next connection is served with them, and connections that are open go on with
what they began with. Files that are broken, or half written, change nothing: the last good ones stay in use.
"""

import ssl
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import structlog

_log = structlog.get_logger("danbao.tls")

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class CertificatesUnusable(Exception):
    """The files are missing, broken or do not belong together; the message names the setting and says what to do."""


class _Contents(NamedTuple):
    """What the files hold; `client_ca` is None where clients need no certificate."""

    cert: bytes
    key: bytes
    client_ca: bytes | None


class Certificates:
    """The certificate of a server, and the authorities of its clients' (mTLS) where they are named."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Paths of PEM files; `cert` has the server's own certificate first, then its chain. Raises CertificatesUnusable."""
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._lock = threading.Lock()
        self._complaint = ""
        self._seen = self._read()
        """As found at the last look, good or bad."""
        self._check(self._seen)
        self._first = _configuration(self._seen)

    def server_credentials(self) -> grpc.ServerCredentials:
        """For `add_secure_port`. Where clients' authorities are named, who has no certificate of theirs is turned away."""
        fetcher: Any = self.renewed  # its stub does not know that it may answer None
        return grpc.dynamic_ssl_server_credentials(self._first, fetcher, self._client_ca is not None)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificates, where good ones took the place of those seen at the last look; else None.

        gRPC asks before every handshake, on threads of its own. Reading three small files takes less than the handshake, and
        their contents tell for sure what a time stamp does not.
        """
        with self._lock:
            try:
                found = self._read()
                if found == self._seen:
                    return None
                self._seen = found
                self._check(found)
            except CertificatesUnusable as error:
                self._complain(str(error))
                return None
            self._complaint = ""
            _log.info("new certificates", file=str(self._cert))
            return _configuration(found)

    def _complain(self, why: str) -> None:
        """Logs it once, not for every connection."""
        if why != self._complaint:
            _log.error("new certificates cannot be used, the old ones stay", why=why)
        self._complaint = why

    def _read(self) -> _Contents:
        client_ca = None if self._client_ca is None else _read_file("DANBAO_TLS_CLIENT_CA", self._client_ca)
        return _Contents(_read_file("DANBAO_TLS_CERT", self._cert), _read_file("DANBAO_TLS_KEY", self._key), client_ca)

    def _check(self, contents: _Contents) -> None:
        """Raises CertificatesUnusable where these are not what gRPC could use; it would only say so for every handshake."""
        if _CERTIFICATE not in contents.cert:
            raise CertificatesUnusable(f"DANBAO_TLS_CERT: {self._cert} holds no certificate: it must be a PEM file")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CertificatesUnusable(
                f"DANBAO_TLS_KEY: {self._key} is not the private key of {self._cert}, or has a password, or one of them is no "
                f"PEM file ({error}): name a certificate and its key"
            ) from None
        if contents.client_ca is not None:
            _check_authorities(contents.client_ca, self._client_ca)
        if self._read() != contents:  # the check read the files once more
            raise CertificatesUnusable(f"DANBAO_TLS_CERT: {self._cert} and its key are being replaced")


def _configuration(contents: _Contents) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(contents.key, contents.cert)], contents.client_ca)


def _read_file(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise CertificatesUnusable(
            f"{variable}: {path} cannot be read ({why}): name a file that this process may read"
        ) from None


def _no_password() -> str:
    """Asked for by OpenSSL, which would otherwise ask the terminal."""
    return ""


def _check_authorities(pem: bytes, path: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode())
    except (OSError, ValueError) as error:
        raise CertificatesUnusable(
            f"DANBAO_TLS_CLIENT_CA: {path} holds no certificates ({error}): it must be a PEM file of those that sign clients'"
        ) from None
