"""R16: a store of every version there was opens, with all that was in it.

The files in `tests/assets/stores` were written by the code of their time, four runs declared and
three stored. A new version adds its file here, and none is ever changed.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from allometry.store import Store
from allometry.store.schema import MIGRATIONS

STORES = Path(__file__).parents[1] / "assets" / "stores"
VERSIONS = range(1, len(MIGRATIONS) + 1)
CONTENT = {
    1: "9a5a996fa637d0566393dc476e1285a4fdf4f47434dee6ea15bb239b9dcd50e9",
    2: "a32b34ce59da351dc58f87f7a6e3acc86096f07364c158352b3356a65d934d70",
    3: "a32b34ce59da351dc58f87f7a6e3acc86096f07364c158352b3356a65d934d70",
}


def _content(store):
    """SHA-256 of what was measured."""
    table = store.table("tiny", "quick")
    seen = [table["run_id"].tolist(), table["seconds"].tolist()]
    for name in ("test_loss", "train_loss", "n_params"):
        seen.append(table[name].tolist() if name in table.columns else None)
    for run_id in table["run_id"]:
        arrays = store.trajectories(run_id)
        seen += [(name, arrays[name].tobytes()) for name in sorted(arrays)]
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def test_there_is_a_store_of_every_version():
    assert {path.name for path in STORES.iterdir()} == {f"version{n}.sqlite" for n in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_opens_with_what_was_in_it(version, tmp_path):
    path = tmp_path / "s.db"
    shutil.copy(STORES / f"version{version}.sqlite", path)
    with Store(path) as store:
        assert store.verify().damaged == () and store.verify().runs == 3
        assert _content(store) == CONTENT[version]
        (status,) = store.status()
        assert (status.declared, status.pending) == (4, 1)
        assert status.excluded == (version > 1)
        assert len(store.plans("tiny", "quick")) == (version > 2)
    with Store(path, write=True) as store:
        assert _content(store) == CONTENT[version] and store.verify().damaged == ()
    copies = [p.name for p in tmp_path.glob("s.db.version*")]
    assert copies == ([f"s.db.version{version}"] if version < len(MIGRATIONS) else [])
    for name in copies:
        with Store(tmp_path / name) as store:
            assert _content(store) == CONTENT[version]
