"""R5: clocks that are set back and forth, between sittings and in the midst of them.

Where the package asks for the time of day it gets any time from 1970 to 2100, another at every
call; files get any date between two sittings. Durations come from a clock that nobody sets.
"""

import os
import random
import shutil
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from allometry.cli.status_screen import status_lines
from allometry.engines.progress import Silent
from allometry.report.publish import publish
from allometry.run import run
from allometry.store import Store, decisions, lock
from tests.engines.cases import content
from tests.faults.conftest import Sweep
from tests.reliability.campaign import campaign
from tests.store.cases import Imagined, study

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = 130 * 365
RUNS, PACK = 20, 2


class _Stop(BaseException):
    """In place of a kill."""


class _StopAfter(Silent):
    def __init__(self, packs: int):
        self._left = packs

    def finished(self, results: object) -> None:
        self._left -= 1
        if self._left < 0:
            raise _Stop


def _any_time(draw: random.Random) -> datetime:
    return BEGIN + timedelta(days=draw.uniform(0, DAYS))


def _set_clocks(patch: pytest.MonkeyPatch, draw: random.Random) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return _any_time(draw)

    for module in (decisions, lock):
        patch.setattr(module, "datetime", Clock)
    patch.setattr(time, "time", lambda: _any_time(draw).timestamp())


def _set_dates(folder: Path, draw: random.Random) -> None:
    for file in folder.iterdir():
        seconds = _any_time(draw).timestamp()
        os.utime(file, (seconds, seconds))


def _finished(sweep: Sweep) -> dict[str, str]:
    """When each stored run was finished, as the store has it."""
    if not sweep.store.exists():
        return {}
    with Store(sweep.store) as store:
        return dict(store._all("SELECT run_id, finished_at FROM runs"))


def _sitting(sweep: Sweep, draw: random.Random) -> int:
    """Run for some packs, with a clock that nobody can trust; how many runs are stored then."""
    before = _finished(sweep)
    tiny = study(RUNS, 1, PACK)
    try:
        with pytest.MonkeyPatch.context() as patch:
            _set_clocks(patch, draw)
            progress = _StopAfter(draw.randrange(RUNS // PACK))
            outcome = run(tiny, store=sweep.store, engine=Imagined(), progress=progress)
            assert outcome.stored_before == len(before)
    except _Stop:
        pass
    _set_dates(sweep.folder, draw)
    after = _finished(sweep)
    assert before.items() <= after.items(), "a run was lost or made again"
    return len(sweep.stored())


def _looked_at(sweep: Sweep, draw: random.Random) -> None:
    """Status, backup and exclusions, under clocks of their own."""
    with pytest.MonkeyPatch.context() as patch:
        _set_clocks(patch, draw)
        with Store(sweep.store, write=True) as store:
            (entry,) = store.status()
            assert entry.first_finished <= entry.last_finished
            assert all(status_lines([entry]))
            chosen = draw.sample(store.run_ids(), 2)
            assert store.exclude(chosen, "by a clock") == 2 and store.include(chosen) == 2
            store.backup(sweep.folder / "copy.db")
    assert content(sweep.folder / "copy.db") == content(sweep.store)


def _dates_go_back(sweep: Sweep) -> bool:
    """Whether a run that was stored later is said to have been finished earlier."""
    with Store(sweep.store) as store:
        times = [at for (at,) in store._all("SELECT finished_at FROM runs ORDER BY rowid")]
    return times != sorted(times)


@pytest.mark.parametrize("total", [4, pytest.param(500, marks=pytest.mark.slow)])
def test_clocks_set_back_and_forth_cost_nothing(tmp_path, total):
    whole = tmp_path / "whole.db"
    run(study(RUNS, 1, PACK), store=whole, engine=Imagined())
    expected = content(whole)

    def case(draw: random.Random) -> Counter[str]:
        sweep, sittings = Sweep(tmp_path / "case", runs=RUNS, pack=PACK), 1
        while _sitting(sweep, draw) < RUNS:
            sittings += 1
        assert content(sweep.store) == expected
        back = _dates_go_back(sweep)
        _looked_at(sweep, draw)
        shutil.rmtree(sweep.folder)
        return Counter(sittings=sittings, stores_whose_dates_go_back=back, lost=0, made_again=0)

    counts = campaign("clocks", total, case, kept=total > 4)
    assert counts["stores_whose_dates_go_back"] > total / 2


def test_a_page_of_runs_whose_dates_go_back_is_made(tmp_path):
    draw = random.Random(1)
    sweep = Sweep(tmp_path / "s", runs=RUNS, pack=PACK)
    while _sitting(sweep, draw) < RUNS:
        pass
    page = publish(study(RUNS, 1, PACK), tmp_path / "page.html", store=sweep.store)
    assert page.files[0].stat().st_size > 10_000
