"""What a SuperLink and its SuperNodes know each other by: a certificate authority, keys, a secret.

The authority's own key is written beside what it signs, readable by its owner only; SuperNodes need
`ca.crt` and their own key, and nothing else.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import MissingExtraError, how_to_install

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA = "ca.crt"
CA_KEY = "ca.key"
CERTIFICATE = "superlink.pem"
CERTIFICATE_KEY = "superlink.key"
SECRET = "superexec.secret"
"""Shared by the SuperNodes of a machine and the processes that answer for them."""

VALID_DAYS = 365

SECRET_BYTES = 32


def node_key(partition: int) -> str:
    """Return the name of the file of a SuperNode's private key; the public one ends in `.pub`."""
    return f"node-{partition:05}"


def write_credentials(folder: Path, names: Sequence[str], supernodes: int) -> None:
    """Write an authority, the SuperLink's certificate, the SuperNodes' keys and the secret.

    Args:
        folder: new or empty.
        names: host names and addresses by which the SuperLink is reached.
        supernodes: how many keys.

    Raises:
        MissingExtraError: `cryptography` is not installed; Flower brings it.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
            PublicFormat,
        )
    except ImportError:
        raise MissingExtraError(
            f"certificates need cryptography; {how_to_install('run')}"
        ) from None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def private(key: EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
        return key.private_bytes(Encoding.PEM, form, NoEncryption())

    authority = ec.generate_private_key(ec.SECP384R1())
    root = _certificate("harness authority", authority, None, authority, ())
    server = ec.generate_private_key(ec.SECP384R1())
    signed = _certificate("superlink", server, root, authority, names)
    _write(folder / CA, root.public_bytes(Encoding.PEM), 0o644)
    _write(folder / CA_KEY, private(authority, PrivateFormat.PKCS8), 0o600)
    _write(folder / CERTIFICATE, signed.public_bytes(Encoding.PEM), 0o644)
    _write(folder / CERTIFICATE_KEY, private(server, PrivateFormat.PKCS8), 0o600)
    _write(folder / SECRET, secrets.token_hex(SECRET_BYTES).encode(), 0o600)
    for partition in range(supernodes):
        key = ec.generate_private_key(ec.SECP384R1())
        path = folder / node_key(partition)
        _write(path, private(key, PrivateFormat.OpenSSH), 0o600)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        _write(path.with_suffix(".pub"), public + b"\n", 0o644)


def _certificate(
    subject: str,
    key: EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: EllipticCurvePrivateKey,
    names: Sequence[str],
) -> x509.Certificate:
    """Return a certificate for `key`.

    Args:
        subject: its common name.
        key: whose public half it holds.
        issuer: of the signer; None: it signs itself, and is an authority.
        signer: signs.
        names: host names and addresses that it is valid for.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    building = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer is not None else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of other machines
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=issuer is not None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_named(item) for item in names])
        building = building.add_extension(alternatives, critical=False)
    return building.sign(signer, hashes.SHA256())


def _named(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(path: Path, data: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
