"""Files out of an archive that nobody vouches for."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from lshexp.data._files import READ_ERRORS, one_line
from lshexp.errors import DataError
from lshexp.io import atomic_file

MOST_MEMBERS = 1_000
_BLOCK = 1 << 20


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
