"""Each package that this one runs on has its licence on docs/licences.md."""

import re

import pytest

from tests.licences import PAGE, direct, installed, licence

ROWS = dict(
    re.findall(r"^\| \**([\w.-]+?)\** \| [^|]+ \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
)
COPYLEFT = re.compile(r"\b(?:A|L)?GPL", re.I)


def test_every_package_asked_for_is_on_the_page():
    assert direct() <= ROWS.keys()
    assert set(installed(direct())) >= direct()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_each_licence_is_said_and_lets_anyone_use_it(name):
    assert ROWS[name] != "not said"
    assert not COPYLEFT.search(ROWS[name])


def test_licences_are_read_from_what_is_installed():
    assert licence("click").startswith("BSD")
    assert "Apache" in licence("optax") and "BSD" in licence("scipy")
