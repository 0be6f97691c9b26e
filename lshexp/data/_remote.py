"""Where a published file can be fetched, and how it is known to be the right one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """One published file, or an archive of which some files are kept."""

    name: str
    urls: tuple[str, ...]  # mirrors, in the order in which they are tried
    known_hash: str | None  # "md5:...", "sha1:..." or "sha256:...", as published; None where none is
    most_bytes: int  # a longer download is refused
    members: tuple[str, ...] = ()  # files to take out of a zip archive, by the last part of their names
    most_unpacked: int = 0  # bytes of each of them
