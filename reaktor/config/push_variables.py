"""The variables of web push: to which services notices may be sent, and who says that they are from us. Pure."""

from __future__ import annotations

import re

from reaktor.config.model import Push
from reaktor.config.variables import Reader

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def read_push(reader: Reader) -> Push:
    reader.section = "Web push"
    default = Push()
    hosts = reader.words(
        "PUSH_HOSTS",
        default.hosts,
        "To which hosts notices are pushed: `push.example`, `*.push.example` for all below it, with a port where it is "
        "not 443. A browser names its host itself, so this list keeps the server from calling others.",
    )
    for host in hosts:
        if not _HOST.fullmatch(host):
            reader.problems.append(f"PUSH_HOSTS: {host!r} is not a host such as push.example or *.push.example")
    contact = reader.text(
        "PUSH_CONTACT",
        "",
        "Where the push services reach who runs this server: `mailto:admin@chat.example` or an `https` address.",
        shown="PUBLIC_URL",
    )
    if contact and not contact.startswith(("mailto:", "https://")):
        reader.problems.append("PUSH_CONTACT begins with neither mailto: nor https://")
    return Push(
        hosts=hosts,
        contact=contact,
        allows_private=reader.switch(
            "PUSH_PRIVATE",
            default.allows_private,
            "Whether a host of PUSH_HOSTS may have a private address. For tests alone: production refuses it.",
        ),
    )
