"""Which numbers the server says and takes, in REST and in the native protocol alike."""

from __future__ import annotations

MAX_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader holds exactly (JavaScript's are floats). No counter gets there."""
