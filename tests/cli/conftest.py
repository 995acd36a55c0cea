"""The command line called in this process, and what it says."""

import json
import re
from typing import NamedTuple

import pytest

from allometry import cli


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self):
        """Stdout as the one JSON document it must be."""
        document = json.loads(self.out)
        assert self.out.endswith("\n") and self.out.count("\n") == 1
        assert re.fullmatch(r"allometry/[a-z]+/1", document["schema"])
        return document


@pytest.fixture
def allometry(capfd, monkeypatch):
    """Call the command line in this process."""
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Said(int(ended.value.code or 0), out, err)

    return call
