"""Fetching against a server that truncates, stalls, redirects, and serves hostile archives."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from lshexp.cli import app
from lshexp.data import fetch as fetching
from lshexp.data import mnist
from lshexp.data.base import Dataset, DatasetInfo, Remote
from lshexp.data.fetch import fetch, unpack
from lshexp.data.files import check_recorded, recorded_at
from lshexp.data.mnist import DigitFile
from lshexp.errors import DataError, StoreError

CONTENT = bytes(range(256)) * 4000


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT in the way that the path names; `asked` keeps each request's path and range."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012
    release = threading.Event()
    archive = b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        ranged = self.headers.get("Range")
        self.asked.append((self.path, ranged))
        start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
        way = self.path.strip("/").split("/")[0]
        content = {"other": b"<html>sign in</html>", "long": CONTENT * 3, "archive": self.archive}.get(
            way, CONTENT
        )
        if way == "gone":
            self.send_error(404)
            return
        if way == "redirect":
            self.send_response(302)
            self.send_header("Location", "/other/file")
            self.end_headers()
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            if way == "cut":
                body = body[: len(CONTENT) // 2]
            elif way == "never":
                body = body[:100] if not start else b""
            elif way == "stall":
                self.wfile.write(body[:1000])
                self.wfile.flush()
                self.release.wait(20)
                return
            self.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetching, "STALL_S", 0.3)
    monkeypatch.setattr(Handler, "asked", [])
    monkeypatch.setattr(Handler, "release", threading.Event())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        Handler.release.set()
        running.shutdown()
        thread.join()


def dataset(*urls, known_hash="right", **changes):
    """A dataset of one published file."""
    right = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
    remote = Remote("file", urls, right if known_hash == "right" else known_hash, len(CONTENT), **changes)

    class Published(Dataset):
        """One published file."""

        def remotes(self):
            return (remote,)

        def info(self):
            return DatasetInfo(1, 2, 1, 1, "made up")

        def fingerprint(self):
            return ""

        def load(self):
            raise NotImplementedError

    Published.name, Published.kind = "published", "dataset"
    return Published()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".fetch.lock")


def test_a_file_arrives_whole_and_the_watcher_sees_it(server, tmp_path):
    seen = []
    assert fetch(dataset(f"{server}/file"), tmp_path, lambda *step: seen.append(step)) == [tmp_path / "file"]
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert seen[-1] == ("file", len(CONTENT), len(CONTENT))
    assert names(tmp_path) == ["file"]
    fetch(dataset(f"{server}/file"), tmp_path)
    assert len(Handler.asked) == 1  # it is there and right


def test_a_download_that_breaks_off_goes_on(server, tmp_path):
    fetch(dataset(f"{server}/cut"), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Handler.asked == [("/cut", None), ("/cut", f"bytes={len(CONTENT) // 2}-")]
    assert names(tmp_path) == ["file"]


def test_a_later_call_goes_on_too(server, tmp_path):
    with pytest.raises(DataError, match="broke off"):
        fetch(dataset(f"{server}/never"), tmp_path)
    assert [name[-5:] for name in names(tmp_path)] == [".part"]
    part = tmp_path / names(tmp_path)[0]
    assert part.read_bytes() == CONTENT[:100]


def test_a_part_of_another_file_is_thrown_away(server, tmp_path):
    with pytest.raises(DataError):
        fetch(dataset(f"{server}/never"), tmp_path)
    part = tmp_path / names(tmp_path)[0]
    url = f"{server}/file"
    part.rename(tmp_path / f".file.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part").write_bytes(
        b"x" * 500
    )
    fetch(dataset(url), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert names(tmp_path) == ["file"]


BAD = {
    "gone": "answers 404",
    "other": "sends another file",
    "redirect": "sends another file",
    "long": "sends more than the",
    "stall": "broke off: .*timed out",
}


@pytest.mark.parametrize("way", BAD)
def test_a_bad_mirror_is_passed_over_and_alone_is_one_line(server, tmp_path, way):
    with pytest.raises(DataError, match=BAD[way]) as caught:
        fetch(dataset(f"{server}/{way}"), tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert f"put file into {tmp_path}, or set LSHEXP_DATA" in message
    assert "file" not in names(tmp_path)
    fetch(dataset(f"{server}/{way}", f"{server}/file"), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*refused.*put file into") as caught:
        fetch(dataset("http://127.0.0.1:9/file"), tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_without_a_checksum_the_first_download_is_the_measure(server, tmp_path):
    fetch(dataset(f"{server}/file", known_hash=None), tmp_path)
    assert check_recorded(tmp_path / "file")
    (tmp_path / "file").unlink()
    with pytest.raises(DataError, match="differs from what was first fetched"):
        fetch(dataset(f"{server}/other", known_hash=None), tmp_path)
    assert names(tmp_path) == ["file.sha256"]


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a file of this name is in the way"):
        fetch(dataset(f"{server}/file"), tmp_path / "file")


def test_what_is_not_published_cannot_be_fetched(tmp_path):
    published = dataset()
    type(published).remotes = lambda self: ()
    with pytest.raises(DataError, match="no published files"):
        fetch(published, tmp_path)


def test_the_command_fetches_the_digits(server, tmp_path, monkeypatch):
    labels = struct.pack(">II", 0x801, 9) + bytes(9)
    packed = gzip.compress(labels)
    digit = DigitFile("labels", (9,), hashlib.sha256(labels).hexdigest(), hashlib.md5(packed).hexdigest())
    monkeypatch.setattr(mnist, "FILES", {"test_labels": digit})
    monkeypatch.setattr(mnist, "FILES", mnist.FILES)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{server}/gone/", f"{server}/archive/"))
    monkeypatch.setattr(Handler, "archive", packed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LSHEXP_DATA", raising=False)
    for said in ("mnist: fetched: ", "mnist: already there: "):
        done = CliRunner().invoke(app, ["data", "fetch", "mnist"], catch_exceptions=False)
        assert done.exit_code == 0
        assert said + str(tmp_path) in done.stderr.replace("\n", "")
    assert mnist.read_digits("test_labels").tolist() == [0] * 9


def archive(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            if content == "link":
                info.external_attr = 0o120777 << 16
            opened.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def test_an_archive_gives_its_files_and_leaves(server, tmp_path, monkeypatch):
    packed = archive(("a.amat", b"one"), ("50k/b.amat", b"two"), ("readme", b"no"))
    monkeypatch.setattr(Handler, "archive", packed)
    right = "sha1:" + hashlib.sha1(packed).hexdigest()
    remote = {"known_hash": right, "members": ("a.amat", "b.amat"), "most_unpacked": 10}
    paths = fetch(dataset(f"{server}/archive", **remote), tmp_path)
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert names(tmp_path) == ["a.amat", "a.amat.sha256", "b.amat", "b.amat.sha256"]
    assert all(check_recorded(path) for path in paths)
    assert recorded_at(paths[0]).read_text(encoding="ascii").split()[1] == "a.amat"


def test_an_archive_that_climbs_out_is_refused_after_its_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "archive", archive(("../../a.amat", b"one")))
    (tmp_path / "deep" / "out").mkdir(parents=True)
    chosen = dataset(f"{server}/archive", known_hash=None, members=("a.amat",), most_unpacked=10)
    with pytest.raises(DataError, match=r"written elsewhere.*put a\.amat of file into"):
        fetch(chosen, tmp_path / "deep" / "out")
    assert names(tmp_path) == ["deep"]
    assert names(tmp_path / "deep") == ["out"]
    assert "a.amat" not in names(tmp_path / "deep" / "out")


HOSTILE = {
    "climbs": (archive(("../a", b"x")), "written elsewhere"),
    "climbs inside": (archive(("a", b"x"), ("b/../../c", b"x")), "written elsewhere"),
    "climbs with backslashes": (archive(("a", b"x"), ("..\\c", b"x")), "written elsewhere"),
    "absolute": (archive(("/etc/a", b"x")), "written elsewhere"),
    "drive": (archive(("C:/a", b"x")), "written elsewhere"),
    "link": (archive(("a", "link")), "is a link"),
    "twice": (archive(("a", b"x"), ("b/a", b"x")), "twice"),
    "absent": (archive(("b", b"x")), "holds no a"),
    "bomb": (archive(("a", bytes(1_000_000))), "inflates to more than"),
    "many": (archive(*((f"{i}", b"") for i in range(1001))), "1,001 files"),
    "cut": (archive(("a", b"x"))[:-10], "not a readable zip"),
    "empty": (b"", "not a readable zip"),
    "damaged": (archive(("a", b"x" * 99)).replace(b"x", b"y"), "not a readable zip|holds no"),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_hostile_archives_write_nothing(tmp_path, way):
    content, reason = HOSTILE[way]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.zip").write_bytes(content)
    if way == "damaged":
        damaged = bytearray(archive(("a", bytes(range(200)))))
        damaged[60] ^= 255
        (tmp_path / "in" / "x.zip").write_bytes(damaged)
    (tmp_path / "deep" / "out").mkdir(parents=True)
    with pytest.raises(DataError, match=reason) as caught:
        unpack(tmp_path / "in" / "x.zip", ("a",), tmp_path / "deep" / "out", 1000)
    assert "\n" not in str(caught.value)
    assert names(tmp_path / "deep" / "out") == []
    assert names(tmp_path / "deep") == ["out"]
