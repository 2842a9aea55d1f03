"""TLS for what hosts relay to each other: one context for the requests that come, one for those that go.

It begins behind the pass and the word to go on (reaktor.process.relay_pass), so that the supervisor reads the pass and
hands the connection to the worker as ever: worker and worker then speak TLS. The host that is called shows a
certificate for the address in its ADVERTISE. The one that calls has proved itself by its pass.
"""

from __future__ import annotations

import ssl

from reaktor.config.model import RelayTls


class RelayTlsError(Exception):
    """The files do not do; a sentence says why."""


def for_callers(files: RelayTls) -> ssl.SSLContext:
    """To take what others relay. Raises RelayTlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # Without a password that is given it would ask the terminal for one.
        context.load_cert_chain(files.cert_file, files.key_file, password="")
    except (OSError, ValueError) as error:
        raise RelayTlsError(
            f"RELAY_CERT_FILE and RELAY_KEY_FILE are not a certificate and its key, both in PEM, the key without a "
            f"password ({_why(error)})."
        ) from error
    return context


def for_calls(files: RelayTls) -> ssl.SSLContext:
    """To relay to others: their certificate must be of RELAY_CA_FILE, and for their address. Raises RelayTlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.ca_file)
    except (OSError, ValueError) as error:
        raise RelayTlsError(f"RELAY_CA_FILE is no certificate in PEM ({_why(error)}).") from error
    return context


def check(files: RelayTls, address: str) -> None:
    """Speak TLS with ourselves, as other hosts that have the same RELAY_CA_FILE will. Raises RelayTlsError.

    `address`: that of ADVERTISE; empty: nothing is relayed to us, and the files alone are read.
    """
    callers, calls = for_callers(files), for_calls(files)
    if not address:
        return
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = callers.wrap_bio(there, here, server_side=True)
    client = calls.wrap_bio(here, there, server_hostname=address)
    try:
        # Each side says something once or twice; what it waits for comes from the other one.
        for side in (client, server, client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLError as error:
        raise RelayTlsError(
            f"Other hosts would not take RELAY_CERT_FILE for ADVERTISE, whose address is {address}, by RELAY_CA_FILE "
            f"({_why(error)})."
        ) from error


def _why(error: Exception) -> str:
    said = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    return str(said).strip().rstrip(".")
