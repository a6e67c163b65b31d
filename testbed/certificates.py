"""The control plane's own certificate authority, and what it signs."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Extension = tuple[x509.ExtensionType, bool]
"""An extension, and whether a reader that doesn't know it must refuse the certificate."""
Extensions = list[Extension]


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


class Authority:
    """Signs certificates that are good for a day, with a key that lives in memory only."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("trainwright-testbed")
        may_sign: Extensions = [(x509.BasicConstraints(ca=True, path_length=0), True), (_CERTIFICATE_SIGNING, True)]
        self.certificate = self._sign(self._name, self._key.public_key(), may_sign)

    def server(self, name: str, hosts: Sequence[str]) -> Certificate:
        """For a server that is reached by the DNS names and IP addresses in `hosts`."""
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(_name(name), [(names, False), _usage(ExtendedKeyUsageOID.SERVER_AUTH)])

    def client(self, user: str, groups: Sequence[str]) -> Certificate:
        """For a user of the API server, which reads the user from the common name and groups from the organizations."""
        return self._issue(_name(user, groups), [_usage(ExtendedKeyUsageOID.CLIENT_AUTH)])

    def _issue(self, subject: x509.Name, extensions: Extensions) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        return Certificate(certificate=self._sign(subject, key.public_key(), extensions), key=private_pem(key))

    def _sign(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, extensions: Extensions) -> str:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        # OpenSSL's strict checks, Python's default since 3.13, ask for both identifiers.
        identifiers: Extensions = [
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ]
        for extension, critical in [*identifiers, *extensions]:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


_CERTIFICATE_SIGNING = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The key as the Kubernetes programs read it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def signing_key() -> str:
    """A fresh private key, PEM: it signs service-account tokens and, read by the API server, checks them."""
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(purpose: x509.ObjectIdentifier) -> Extension:
    return x509.ExtendedKeyUsage([purpose]), False


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
