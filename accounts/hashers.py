"""Passwords of imported users: plain bcrypt hashes, as the replaced server stored them.

An imported user's `password` is `bcrypt_imported$` + the bcrypt string; the first login replaces it by argon2.
"""

from __future__ import annotations

from typing import Any

import bcrypt
from django.contrib.auth.hashers import BasePasswordHasher, mask_hash

MAX_BCRYPT_BYTES = 72
"""bcrypt looks at no more; the original cut there silently, newer libraries refuse longer input."""


class ImportedBcryptHasher(BasePasswordHasher):
    """Verifies `$2a$`/`$2b$`/`$2y$` hashes; always asks for an upgrade to the preferred hasher."""

    algorithm = "bcrypt_imported"

    def encode(self, password: str, salt: str) -> str:
        hashed = bcrypt.hashpw(password.encode()[:MAX_BCRYPT_BYTES], salt.encode()).decode("ascii")
        return f"{self.algorithm}${hashed}"

    def salt(self) -> str:
        return bcrypt.gensalt().decode("ascii")

    def verify(self, password: str, encoded: str) -> bool:
        try:
            return bcrypt.checkpw(password.encode()[:MAX_BCRYPT_BYTES], self._hash(encoded).encode("ascii"))
        except ValueError:
            return False

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        return {"algorithm": self.algorithm, "hash": mask_hash(self._hash(encoded))}

    def must_update(self, encoded: str) -> bool:
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """bcrypt's cost stands in the hash; there is nothing to even out."""

    def _hash(self, encoded: str) -> str:
        return encoded.removeprefix(f"{self.algorithm}$")
