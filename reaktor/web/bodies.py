"""How large the body of a request may be: as the configuration says, and more where pictures are sent. Pure.

Asked by the server, which counts while a body comes (reaktor.cluster.daphne_http), and before a view
(reaktor.web.threads).
"""

from __future__ import annotations

from dataclasses import dataclass

from reaktor.sandbox.pictures import MAX_BYTES

PICTURE_PATHS = frozenset({"/api/v1/me/avatar"})
"""Pictures are sent to these …"""
PICTURE_FORMS = "/admin/chat/serverpage/"
"""… and to what is below this."""
STREAMED = frozenset({(b"POST", "/api/v1/files")})
"""Of these requests the application is given the body as it comes, and says itself how large it may be."""
FORM_BYTES = 64 * 1024
"""What a form has beside the picture."""


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """`usual`: bytes of any other body."""

    usual: int

    def of(self, path: str) -> int:
        """Bytes of a body that is sent to this path."""
        return max(self.usual, MAX_BYTES + FORM_BYTES) if self.is_large(path) else self.usual

    @staticmethod
    def is_streamed(method: bytes, path: str) -> bool:
        """Whether the application is given the body as it comes."""
        return (method, path) in STREAMED

    @staticmethod
    def is_large(path: str) -> bool:
        """Whether a picture may come there."""
        return path in PICTURE_PATHS or path.startswith(PICTURE_FORMS)
