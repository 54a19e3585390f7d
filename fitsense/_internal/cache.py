"""The user's cache folder."""

from __future__ import annotations

from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Folder of cached files of a kind, such as ``weights``; relative if the user has no home folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("fitsense")) / kind
