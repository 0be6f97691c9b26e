"""Published files from their mirrors: checked, resumed where a download stopped, whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lshexp.data.base import Dataset, Remote
from lshexp.data.files import ENVIRONMENT_VARIABLE, cache_folder, recorded_at, sha256, stamp
from lshexp.data.reading import READ_ERRORS, one_line
from lshexp.errors import DataError
from lshexp.io import atomic_file, file_lock, make_folder, storage_error, write_atomic

Watcher = Callable[[str, int, int | None], None]  # file, bytes so far, bytes in all where known

CONNECT_S, STALL_S = 10.0, 30.0  # a mirror that says nothing for so long is given up
ATTEMPTS = 3  # at each mirror; each goes on where the one before broke off
_BLOCK = 1 << 18
MOST_MEMBERS = 1_000


def fetch(dataset: Dataset, folder: Path | None = None, watch: Watcher | None = None) -> list[Path]:
    """Download a dataset's files to `folder`, by default its own in the cache, and return their paths.

    What is downloaded must have its published checksum. Where none is published, the SHA-256 of the first
    download is recorded beside the file, and later ones are compared with it.

    Raises DataError, saying which file to put where by hand, when no mirror gives the right one; StoreError
    when the folder cannot be written.
    """
    remotes = dataset.remotes()
    if not remotes:
        raise DataError(
            f"{dataset.name}: has no published files that could be fetched; see `lshexp data list`"
        )
    target = folder or cache_folder(dataset.name)
    make_folder(target)
    with file_lock(target / ".fetch.lock"):
        return [path for remote in remotes for path in _fetched(dataset.name, remote, target, watch)]


def _fetched(name: str, remote: Remote, folder: Path, watch: Watcher | None) -> list[Path]:
    """One file, or what is taken out of an archive, from the first mirror that has it right."""
    failures = []
    for url in remote.urls:
        try:
            path = _download(url, remote, folder, watch)
            if not remote.members:
                paths = [path]
            else:
                try:
                    paths = unpack(path, remote.members, folder, remote.most_unpacked)
                finally:
                    path.unlink()
            if remote.known_hash is None or remote.members:
                for kept in paths:
                    _record(kept)
            return paths
        except DataError as error:
            failures.append(f"{urlsplit(url).netloc}: {error}")
    files = " and ".join(remote.members) + f" of {remote.name}" if remote.members else remote.name
    raise DataError(
        f"{name}: could not fetch {remote.name} ({'; '.join(failures)}); put {files} into {folder}, or set "
        f"{ENVIRONMENT_VARIABLE} to the folder that holds it"
    )


def _record(path: Path) -> None:
    """Make the first download the measure of later ones. Raises DataError when this one differs."""
    record = recorded_at(path)
    digest = sha256(stamp(path))
    if not record.exists():
        write_atomic(record, f"{digest}  {path.name}\n".encode())
    elif record.read_bytes()[:64] != digest.encode():
        path.unlink()
        raise DataError(
            f"{path.name} differs from what was first fetched ({record.name}); delete that if meant"
        )


def _download(url: str, remote: Remote, folder: Path, watch: Watcher | None) -> Path:
    """Fetch one URL with pooch, which checks the sum and gives the file its name only when it is right."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # it would print each step
    downloader = _Resuming(remote, folder, watch)
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            found = pooch.retrieve(url, remote.known_hash, remote.name, folder, downloader=downloader)
            return Path(found)
        except requests.exceptions.HTTPError as error:
            raise DataError(f"answers {one_line(error).partition(' for url')[0][:60]}") from None
        except requests.exceptions.ConnectionError as error:
            reason = f"cannot be reached, {_cause(error)}"
        except requests.exceptions.RequestException as error:
            reason = one_line(error)[:200]
        except ValueError:  # what pooch raises for a wrong checksum
            if downloader.resumed:
                reason = "sent two different files"
                continue  # what was there is gone: this attempt starts from nothing
            raise DataError("sends another file (checksum mismatch)") from None
        except OSError as error:
            raise storage_error("write", folder / remote.name, error) from error
    raise DataError(reason)


def _cause(error: Exception) -> str:
    """What the operating system said, out of the chain of reasons that requests wraps it in."""
    text = one_line(error)
    found = re.search(r"\[Errno[^]]*\] ([^)\"']+)", text)
    return found[1] if found else text.rsplit(": ", 1)[-1][:120]


class _Resuming:
    """A downloader for pooch that goes on where an interrupted one stopped, and never past a limit."""

    def __init__(self, remote: Remote, folder: Path, watch: Watcher | None) -> None:
        self._remote, self._folder, self._watch = remote, folder, watch
        self.resumed = False

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        """Fetch `url` into the file at `output_file`."""
        part = self._folder / f".{self._remote.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
        if self._remote.known_hash is None:
            part.unlink(missing_ok=True)  # without a checksum nothing would tell two versions in one file
        self._append(url, part)
        part.replace(output_file)

    def _append(self, url: str, part: Path) -> None:
        import requests
        import urllib3

        there = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {})}
        with requests.get(url, stream=True, timeout=(CONNECT_S, STALL_S), headers=headers) as response:
            if response.status_code == 416:  # there is no more than what is there
                return
            response.raise_for_status()
            if response.status_code != 206:
                there = 0
            self.resumed = there > 0
            length = response.headers.get("Content-Length", "")
            total = there + int(length) if length.isdigit() else None
            with part.open("ab" if there else "wb") as file:
                try:
                    for block in response.raw.stream(_BLOCK, decode_content=False):
                        there += len(block)
                        if there > self._remote.most_bytes:
                            self._refuse(part)
                        file.write(block)
                        if self._watch:
                            self._watch(self._remote.name, there, total)
                except urllib3.exceptions.HTTPError as error:  # cut short, or silent for too long
                    raise requests.exceptions.RequestException(f"broke off: {one_line(error)}") from error
            if total is not None and there < total:
                raise requests.exceptions.RequestException(f"broke off after {there:,} of {total:,} bytes")

    def _refuse(self, part: Path) -> None:
        with contextlib.suppress(OSError):
            part.unlink()
        raise DataError(f"sends more than the {self._remote.most_bytes:,} bytes expected")


def unpack(archive: Path, members: tuple[str, ...], folder: Path, most_bytes: int) -> list[Path]:
    """Write the files called `members` into `folder`, whatever folder of the archive they are in.

    Nothing else is written. An archive is refused as a whole when a name in it leads out of its folder, is a
    link, or is there twice, and when a file inflates to more than `most_bytes`.

    Raises DataError, or StoreError when the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            chosen = _chosen(archive, opened, members)
            return [_written(opened, entry, folder / name, most_bytes) for name, entry in chosen.items()]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, *READ_ERRORS) as error:
        raise DataError(f"{archive.name}: not a readable zip archive: {one_line(error)}") from None


def _chosen(archive: Path, opened: zipfile.ZipFile, members: tuple[str, ...]) -> dict[str, zipfile.ZipInfo]:
    entries = opened.infolist()
    if len(entries) > MOST_MEMBERS:
        raise DataError(f"{archive.name}: holds {len(entries):,} files; it is not the published archive")
    chosen: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise DataError(f"{archive.name}: a file in it would be written elsewhere; nothing was unpacked")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{archive.name}: a file in it is a link; nothing was unpacked")
        if path.name in members and not entry.is_dir():
            if path.name in chosen:
                raise DataError(f"{archive.name}: holds {path.name} twice; nothing was unpacked")
            chosen[path.name] = entry
    missing = [name for name in members if name not in chosen]
    if missing:
        raise DataError(
            f"{archive.name}: holds no {' and no '.join(missing)}; it is not the published archive"
        )
    return chosen


def _written(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most_bytes: int) -> Path:
    if entry.file_size > most_bytes:
        raise DataError(f"{path.name}: inflates to more than {most_bytes:,} bytes; nothing was unpacked")
    # zipfile never yields more than the size that the archive states
    with opened.open(entry) as source, atomic_file(path) as target:
        shutil.copyfileobj(source, target, _BLOCK)
    return path
