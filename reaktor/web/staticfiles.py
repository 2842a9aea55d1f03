"""Static files: under names that carry the hash of their content, for production, and which ones there are.

Django rewrites what style sheets refer to by itself, what ES modules import only on request. Without it a page of one
version could, for as long as a browser's cache lasts, run with modules of the version before.

file_paths() is for whoever answers without WhiteNoise where there is no file.
"""

from __future__ import annotations

from collections.abc import Callable

from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]  # it has no types
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]  # it has no types


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # for the same reason
    """WhiteNoise's storage that follows `import` statements, too. Modules must not import each other in circles."""

    support_js_module_import_aggregation = True
    # A pass carries a changed name one import further; five, Django's own bound, are fewer than our longest chain.
    max_post_process_passes = 20


def file_paths() -> Callable[[str], bool]:
    """What tells whether WhiteNoise has a file of this path; in debug mode, where files may come at any time, whether
    it would look for one.
    """
    files = WhiteNoiseMiddleware(None)
    if not files.autorefresh:
        return frozenset(files.files).__contains__
    prefix: str = files.static_prefix
    return lambda path: path.startswith(prefix)
