"""R7: 64 processes that produce, one that writes, 8 that read all the while."""

import multiprocessing
import random
import time
from collections import Counter
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from allometry.engines.deliveries import read_delivery, write_delivery
from allometry.store import Store
from allometry.training.procedure import Pack
from tests.reliability.campaign import record_if_asked
from tests.store.cases import PROVENANCE, result, specs

PRODUCERS, READERS, SECONDS = 64, 8, 120
PACK = 5
PACKS = 4_000  # more than are made in that time
PAUSE = 8.0  # seconds of training of a pack, on average
CONTEXT = multiprocessing.get_context("spawn")


def _pack(number: int) -> Pack:
    return Pack(tuple(specs(PACK, (number,))))


def _produce(number: int, deliveries: "Queue[tuple[int, bytes]]", stop: Event) -> None:
    draw = random.Random(number)
    for index in range(number, PACKS, PRODUCERS):
        if stop.is_set():
            return
        made = [result(spec) for spec in _pack(index).specs]
        stop.wait(draw.uniform(0, 2 * PAUSE))
        deliveries.put((index, write_delivery(str(index).encode(), made, PROVENANCE)))


def _read(number: int, path: Path, seen: "Queue[tuple[list[float], str]]", stop: Event) -> None:
    """How long each reading took; and what went wrong."""
    seconds, before, wrong = [], 0, ""
    draw = random.Random(number)
    while not stop.is_set() and not wrong:
        began = time.perf_counter()
        with Store(path) as store:
            if draw.random() < 0.1:
                runs = len(store.table("tiny", "quick"))
            else:
                (status,) = store.status()
                runs = status.done + status.diverged
        seconds.append(time.perf_counter() - began)
        if runs % PACK or runs < before:
            wrong = f"{runs} runs after {before}"
        before = runs
        time.sleep(0.05)
    seen.put((seconds, wrong))


@pytest.mark.slow
def test_many_processes_produce_and_read_while_one_writes(tmp_path):
    path = tmp_path / "s.db"
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", specs(PACK, tuple(range(PACKS))))
    stop = CONTEXT.Event()
    deliveries: Queue[tuple[int, bytes]] = CONTEXT.Queue(1000)
    seen: Queue[tuple[list[float], str]] = CONTEXT.Queue()
    makers = [
        CONTEXT.Process(target=_produce, args=(i, deliveries, stop), daemon=True)
        for i in range(PRODUCERS)
    ]
    readers = [
        CONTEXT.Process(target=_read, args=(i, path, seen, stop), daemon=True)
        for i in range(READERS)
    ]
    for process in (*makers, *readers):
        process.start()
    acknowledged = set[str]()
    end = None
    with Store(path, write=True) as store:
        while end is None or time.monotonic() < end:
            index, data = deliveries.get(timeout=600)
            end = end or time.monotonic() + SECONDS  # from the first delivery on
            pack = _pack(index)
            delivery = read_delivery(data, str(index).encode(), pack)
            assert store.commit(delivery.results, delivery.provenance) == PACK
            acknowledged |= {spec.run_id for spec in pack.specs}
    stop.set()
    answers = [seen.get(timeout=120) for _ in readers]
    for process in (*makers, *readers):
        process.kill()
    assert [wrong for _, wrong in answers if wrong] == []
    with Store(path) as store:
        assert set(store.run_ids()) == acknowledged
        assert store.verify().damaged == ()
    waits = np.concatenate([seconds for seconds, _ in answers])
    figures = Counter(
        runs=len(acknowledged), readings=len(waits), lost=0, reading_errors=0,
        median_reading_ms=round(1e3 * float(np.median(waits))),
        p99_reading_ms=round(1e3 * float(np.quantile(waits, 0.99))),
    )  # fmt: skip
    record_if_asked("many_processes", SECONDS, figures)
