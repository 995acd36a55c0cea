"""Nothing enters or leaves the cache without its SHA-256, whatever the source does."""

import gzip
import hashlib
import io
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from allometry.datasets.cache import fetch, folder_of, is_whole, read
from allometry.datasets.sources import Folder, Web
from allometry.errors import DiskError, UnavailableError

IMAGES = "train-images-idx3-ubyte"
LABELS = "t10k-labels-idx1-ubyte"


def flip(content):
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGE = {
    "one bit": flip,
    "cut short": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\0",
    "much longer": lambda content: content * 1000,
    "empty": lambda content: b"",
}


def assert_whole(data_set, root, contents):
    folder = folder_of(data_set, root)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    assert is_whole(data_set, root)


@pytest.fixture
def good(tmp_path, fill, zipped):
    return Folder(fill(tmp_path / "good", zipped))


def test_sources_are_tried_in_their_order_and_no_further(tmp_path, site, good, tiny, contents):
    unused = Web(site.url + "unused/")
    data_set = tiny(Folder(tmp_path / "nowhere"), Web(site.url), good, unused)
    lines = []
    folder = fetch(data_set, tmp_path / "cache", lines.append)
    assert folder == tmp_path / "cache" / "datasets" / "tiny"
    assert_whole(data_set, tmp_path / "cache", contents)
    assert [line for line in lines if "trying" in line] == [
        f"tiny: trying the folder {tmp_path / 'nowhere'}",
        f"tiny: trying {site.url}",
        f"tiny: trying the folder {good.path}",
    ]
    assert site.asked == [IMAGES + ".gz"]  # one refusal ends a source

    lines.clear()
    assert fetch(data_set, tmp_path / "cache", lines.append) == folder
    assert lines == []


def test_what_one_source_lacks_the_next_is_asked_for(tmp_path, site, fill, zipped, tiny, contents):
    half = dict(list(zipped.items())[:2])
    site.files = zipped
    data_set = tiny(Folder(fill(tmp_path / "half", half)), Web(site.url))
    fetch(data_set, tmp_path)
    assert site.asked == list(zipped)[2:]
    assert_whole(data_set, tmp_path, contents)


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_file_is_reported_and_fetched_again(
    tmp_path, good, tiny, contents, name, damage
):
    data_set = tiny(good)
    path = fetch(data_set, tmp_path) / name
    path.write_bytes(damage(contents[name]))
    assert not is_whole(data_set, tmp_path)
    lines = []
    fetch(data_set, tmp_path, lines.append)
    assert str(path) in lines[0]
    assert hashlib.sha256(contents[name]).hexdigest() in lines[0]
    damaged = damage(contents[name])
    is_longer = len(damaged) > len(contents[name])
    found = "a longer file" if is_longer else hashlib.sha256(damaged).hexdigest()
    assert f"found {found};" in lines[0]
    assert_whole(data_set, tmp_path, contents)


def test_a_damaged_cache_file_is_never_returned(tmp_path, good, tiny, contents, caplog):
    path = fetch(tiny(good), tmp_path) / LABELS
    path.write_bytes(flip(contents[LABELS]))
    with pytest.raises(UnavailableError, match=LABELS):
        fetch(tiny(), tmp_path)
    assert not path.exists()
    assert f"{path} is damaged" in caplog.text  # a warning where nobody listens to progress


def test_the_bytes_read_are_the_bytes_checked(tmp_path, good, tiny, contents):
    data_set = tiny(good)
    assert read(data_set, tmp_path) == contents
    (folder_of(data_set, tmp_path) / IMAGES).write_bytes(flip(contents[IMAGES]))
    assert read(data_set, tmp_path) == contents


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("inside", [True, False], ids=["content", "archive"])
def test_a_damaged_download_is_refused_by_name(
    tmp_path, site, good, zipped, tiny, contents, damage, inside
):
    spoilt = gzip.compress(damage(contents[IMAGES])) if inside else damage(zipped[IMAGES + ".gz"])
    same = not inside and damage is DAMAGE["one byte more"]  # zero padding is legal gzip
    site.files = {**zipped, IMAGES + ".gz": spoilt}
    data_set = tiny(Web(site.url), good)
    lines = []
    fetch(data_set, tmp_path / "cache", lines.append)
    assert_whole(data_set, tmp_path / "cache", contents)
    assert len(site.asked) == 4  # the rest of the source is still of use
    refusals = [line for line in lines if "is damaged, or of another version: expected" in line]
    assert len(refusals) == (0 if same else 1)
    for line in refusals:
        assert line.startswith(f"tiny: {site.url}: {IMAGES} is damaged, or of another version: ")
        assert hashlib.sha256(contents[IMAGES]).hexdigest() in line
        assert "found" in line


def test_a_stream_without_end_is_cut_off(tmp_path, good, tiny, contents):
    """One block past the length expected is enough to refuse it."""
    given = []

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            given.append(size)
            assert len(given) < 10, "read on and on"
            return bytes(size)

    class Tap:
        where = "a tap"

        def open(self, names):
            yield names[0], Endless()

    lines = []
    fetch(tiny(Tap(), good), tmp_path / "cache", lines.append)
    assert any("a tap" in line and "found a longer file" in line for line in lines)
    assert len(given) == 1
    assert_whole(tiny(), tmp_path / "cache", contents)


def test_a_page_in_place_of_the_file_is_refused(tmp_path, site, tiny, zipped):
    site.files = dict.fromkeys(zipped, b"<html>Please log in to this network</html>")
    with pytest.raises(UnavailableError, match=r"found a broken archive .* Not a gzipped file"):
        fetch(tiny(Web(site.url)), tmp_path)
    assert list(folder_of(tiny(), tmp_path).iterdir()) == []


def test_when_all_fail_every_reason_is_told(tmp_path, site, fill, tiny, zipped, contents):
    spoilt = {name: gzip.compress(b"no") for name in zipped}
    nowhere = tmp_path / "nowhere"
    data_set = tiny(
        Folder(nowhere),
        Web(site.url),
        Folder(fill(tmp_path / "bad", spoilt)),
        Web("http://[::1]:1/"),
    )
    with pytest.raises(UnavailableError) as caught:
        fetch(data_set, tmp_path / "cache")
    message = str(caught.value)
    folder = folder_of(data_set, tmp_path / "cache")
    lines = message.splitlines()
    assert f"  - the folder {nowhere}: there is no file {nowhere / IMAGES}.gz" in lines
    assert f"  - {site.url}: HTTP Error 404: Not Found" in lines
    assert message.count(f"found {hashlib.sha256(b'no').hexdigest()} (2 bytes)") == 4
    assert any(line.startswith("  - http://[::1]:1/: <urlopen error") for line in lines)
    assert f"put them decompressed into {folder}:" in message
    for name, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        assert f"  {name}  {len(content)} bytes  SHA-256 {digest}" in lines
    assert caught.value.exit_code == 69


def test_files_placed_by_hand_serve(tmp_path, fill, tiny, contents):
    fill(folder_of(tiny(), tmp_path), contents)
    assert fetch(tiny(), tmp_path) == folder_of(tiny(), tmp_path)


def test_a_silent_server_is_given_up(tmp_path, site, good, tiny):
    site.hang.clear()
    lines = []
    fetch(tiny(Web(site.url, timeout=0.2), good), tmp_path, lines.append)
    assert any("timed out" in line for line in lines)


def test_a_full_cache_needs_no_network(tmp_path, good, tiny, contents, monkeypatch):
    fetch(tiny(good), tmp_path)

    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    data_set = tiny(Web("http://127.0.0.1:9/"))
    assert is_whole(data_set, tmp_path)
    assert read(data_set, tmp_path) == contents
    with pytest.raises(AssertionError, match="a socket was opened"):
        fetch(data_set, tmp_path / "empty")  # the guard bites


def test_a_full_cache_is_only_read(tmp_path, good, tiny):
    folder = fetch(tiny(good), tmp_path)
    before = {path: path.stat() for path in (folder, *folder.iterdir())}
    fetch(tiny(good), tmp_path)
    after = {path: path.stat() for path in (folder, *folder.iterdir())}
    assert {p: s.st_mtime_ns for p, s in before.items()} == {
        p: s.st_mtime_ns for p, s in after.items()
    }


def test_two_at_once_both_get_it(tmp_path, good, tiny, contents):
    data_set = tiny(good)
    with ThreadPoolExecutor(4) as threads:
        folders = list(threads.map(lambda _: fetch(data_set, tmp_path), range(16)))
    assert set(folders) == {folder_of(data_set, tmp_path)}
    assert_whole(data_set, tmp_path, contents)


OLD, YOUNG = (f".allometry-{k * 16}.part" for k in "01")


def test_old_leftovers_of_a_killed_download_go(tmp_path, good, tiny, fill):
    folder = fill(folder_of(tiny(), tmp_path), {OLD: b"x", YOUNG: b"x"})
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(folder / OLD, (two_days_ago, two_days_ago))
    fetch(tiny(good), tmp_path)
    assert not (folder / OLD).exists()
    assert (folder / YOUNG).exists()


def test_a_cache_that_cannot_be_made_is_named(tmp_path, good, tiny):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DiskError, match=str(blocked)) as caught:
        fetch(tiny(good), blocked)
    assert caught.value.exit_code == 74
    assert "ALLOMETRY_CACHE" in str(caught.value)


def test_a_disk_that_takes_no_more_is_named(tmp_path, good, tiny):
    """The system refuses writing past a size, as a full disk does: at write and at close."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = folder_of(tiny(), tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DiskError, match=str(folder / IMAGES)):
            fetch(tiny(good), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []


def test_a_folder_in_place_of_a_file_is_named(tmp_path, good, tiny):
    path: Path = folder_of(tiny(), tmp_path) / LABELS
    path.mkdir(parents=True)
    with pytest.raises(DiskError, match=str(path)):
        fetch(tiny(good), tmp_path)


def test_of_a_file_without_end_no_more_is_read_than_belongs_there(tmp_path, good, tiny, contents):
    path = fetch(tiny(good), tmp_path) / LABELS
    with path.open("r+b") as file:
        file.truncate(1 << 42)  # a hole: it takes no room on the disk
    begun = time.monotonic()
    assert not is_whole(tiny(), tmp_path)
    assert read(tiny(good), tmp_path)[LABELS] == contents[LABELS]
    assert time.monotonic() - begun < 10
