"""Certificates for tests that speak TLS: an authority of their own, and a server that it vouches for."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.DNSName("chat.example"),  # as the shipped files of balancers have it
]


def certificates(folder: Path, *, days: float = 1) -> tuple[Path, Path, Path]:
    """(authority, certificate of NAMES, its key): files in PEM, good for so many days."""
    names, keys = {}, {}
    now = datetime.datetime.now(datetime.UTC)
    for name in ("authority", "localhost"):
        names[name] = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        keys[name] = ec.generate_private_key(ec.SECP256R1())
    files = []
    for name in ("authority", "localhost"):
        made = (
            x509.CertificateBuilder(
                names["authority"], names[name], keys[name].public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
            .sign(keys["authority"], hashes.SHA256())
        )
        files.append(folder / f"{name}.pem")
        files[-1].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key = folder / "localhost.key"
    key.write_bytes(
        keys["localhost"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files[0], files[1], key


def make_certificate(folder: Path) -> None:
    """What the shipped files of balancers name: fullchain.pem and privkey.pem, and both of them in chat.pem."""
    _, certificate, key = (file.read_bytes() for file in certificates(folder))
    for file, content in (("fullchain.pem", certificate), ("privkey.pem", key), ("chat.pem", certificate + key)):
        (folder / file).write_bytes(content)


def trust(folder: Path) -> ssl.SSLContext:
    """A context that believes the certificate that was made there, and no other."""
    return ssl.create_default_context(cafile=str(folder / "authority.pem"))
