"""Real certificates, for the tests of TLS."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Signed(NamedTuple):
    """A certificate and its private key, as PEM."""

    cert: bytes
    key: bytes


class Authority:
    """Signs certificates for a day."""

    def __init__(self, name: str = "Test Authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        basics = x509.BasicConstraints(ca=True, path_length=0)
        certificate = _builder(self._name, self._name, self._key).add_extension(basics, critical=True)
        self.pem = _pem(certificate.sign(self._key, hashes.SHA256()))

    def signs(self, name: str = "localhost") -> Signed:
        """A new certificate for this name and 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]
        )
        certificate = _builder(_name(name), self._name, key).add_extension(names, critical=False)
        return Signed(
            _pem(certificate.sign(self._key, hashes.SHA256())),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )


class Files(NamedTuple):
    """Where a server's certificate, its key and its clients' authorities are."""

    cert: Path
    key: Path
    client_ca: Path

    @classmethod
    def in_folder(cls, folder: Path, signed: Signed) -> "Files":
        """Files of this certificate; there are no clients' authorities yet."""
        files = cls(folder / "server.crt", folder / "server.key", folder / "clients.crt")
        files.hold(signed)
        return files

    def hold(self, signed: Signed) -> None:
        """Replaces the certificate and its key."""
        self.cert.write_bytes(signed.cert)
        self.key.write_bytes(signed.key)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
