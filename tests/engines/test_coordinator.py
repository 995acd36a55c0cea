"""The coordinator's account: whatever the workers do, each run is handed back once and right."""

import json
import os
import random
import signal

import pytest

from allometry.engines.coordinator import TRIES, Coordinator, Lost
from allometry.engines.deliveries import fail
from allometry.engines.progress import Silent
from allometry.engines.work import work
from allometry.run import run
from tests.engines.cases import FILE, RUNS, content, made_here, packs, study
from tests.engines.lies import parts, sealed


class Hands:
    """Workers that do what a test says: `turn` gets the orders in flight, gives what arrives."""

    def __init__(self, turn, slots=8):
        self.turn = turn
        self.slots = slots
        self.flying = {}
        self.most = 0
        self.submitted = []
        self.closed = 0
        self.withdrawn = []

    def submit(self, name, order, needs):
        assert name not in self.flying
        self.flying[name] = order
        self.submitted.append(name)
        self.most = max(self.most, len(self.flying))

    def arrived(self, seconds):
        found = self.turn(self)
        for name, _ in found:
            self.flying.pop(name, None)
        return found

    def withdraw(self):
        return self.withdrawn

    def close(self):
        self.closed += 1


def all_at_once(hands):
    return [(name, work(order)) for name, order in hands.flying.items()]


def finish(hands, stop=lambda: False, advance=lambda units: None):
    """What an engine with these workers hands back."""
    mine, all_packs = packs()
    return list(Coordinator(lambda: hands, "hands").run(all_packs, mine, advance, stop))


def names(finished):
    return [r.spec.run_id for f in finished for r in f.results]


def asked():
    return sorted(s.run_id for s in study().specs("quick"))


def test_all_packs_come_back_once_and_the_workers_are_closed():
    hands, units = Hands(all_at_once, slots=100), []
    finished = finish(hands, advance=units.append)
    assert sorted(names(finished)) == asked()
    assert (hands.closed, sum(units)) == (1, 10 * RUNS)
    assert len(finished) == 1, "what came in together is committed together"
    assert finished[0].provenance["engine"] == "hands"


def test_no_more_is_in_flight_than_the_workers_want():
    hands = Hands(lambda hands: all_at_once(hands)[:1], slots=3)
    assert sorted(names(finish(hands))) == asked()
    assert hands.most == 3


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_delivering_once_or_five_times_gives_the_same_runs(seed):
    """Duplicates, strangers, losses and damage, as eight unreliable workers might send them."""
    draw = random.Random(seed)
    old = []

    def turn(hands):
        found = []
        for name, order in draw.sample(sorted(hands.flying.items()), k=min(2, len(hands.flying))):
            data = work(order)
            old.append((name, data))
            lost = hands.submitted.count(name) < TRIES and draw.random() < 0.5
            if lost:
                data = draw.choice([Lost("gone"), data[:-1], b"", bytes(reversed(data))])
            found += [(name, data)] * (1 if lost else draw.randint(1, 5))
        found += draw.sample(old, k=min(len(old), 2)) if draw.random() < 0.5 else []
        found.append(("0" * 64, b"never ordered"))
        return [f for f in found if f[0] in hands.flying or draw.random() < 0.5]

    hands = Hands(turn)
    finished = finish(hands)
    assert sorted(names(finished)) == asked()
    assert not any(f.failures for f in finished)


def test_a_pack_lost_again_and_again_is_blamed_and_costs_no_other():
    victim = []

    def turn(hands):
        victim[:] = victim or [next(iter(hands.flying))]
        return [
            (name, Lost("killed", "last words") if name == victim[0] else work(order))
            for name, order in hands.flying.items()
        ]

    hands = Hands(turn)
    finished = finish(hands)
    (failure,) = [one for f in finished for one in f.failures]
    assert hands.submitted.count(victim[0]) == TRIES
    assert (failure.reason, failure.log) == (f"killed ({TRIES} times)", "last words")
    assert sorted([*names(finished), *failure.run_ids]) == asked()


def test_a_delivery_that_is_never_right_is_blamed_on_its_hash():
    hands = Hands(lambda hands: [(name, work(o)[:-1] + b"x") for name, o in hands.flying.items()])
    finished = finish(hands)
    assert names(finished) == []
    assert all("does not match its SHA-256" in one.reason for f in finished for one in f.failures)


def test_a_lie_costs_its_pack_a_second_order_and_no_other_anything():
    """Two lies under a right seal come in with what others made; then the liar tells the truth."""
    draw, lied = random.Random(8), []

    def turn(hands):
        arrived = all_at_once(hands)
        if len(lied) < 2:
            name, data = arrived[0]
            head, blobs = parts(data)
            head["runs"][0]["row"] = draw.choice(['{"a":' * 10**5, f'{{"a":{10**400}}}'])
            arrived[0] = (name, sealed(json.dumps(head).encode(), blobs))
            lied.append(name)
        return arrived

    hands = Hands(turn)
    finished = finish(hands)
    assert sorted(names(finished)) == asked()
    assert all(f.failures == () for f in finished)
    assert len(hands.submitted) == len(set(hands.submitted)) + 2, "ordered again after each lie"


def test_an_exception_is_reported_at_once():
    hands = Hands(lambda hands: [(n, fail(o, "ValueError", "")) for n, o in hands.flying.items()])
    finished = finish(hands)
    assert len(hands.submitted) == len(set(hands.submitted)) == 8
    assert sum(len(f.failures) for f in finished) == 8


def test_asked_to_stop_it_takes_back_what_nobody_began_and_waits_for_the_rest():
    stopped = []

    def turn(hands):
        if not stopped:
            stopped.append(True)
            hands.withdrawn = list(hands.flying)[:2]
            return []
        assert len(hands.flying) == 5
        return [f for f in all_at_once(hands) if f[0] not in hands.withdrawn]

    hands = Hands(turn, slots=5)
    finished = finish(hands, stop=lambda: bool(stopped))
    assert len(names(finished)) == 9, "three packs of the five in flight"
    assert len(hands.submitted) == 5


def test_the_workers_are_closed_when_the_store_fails():
    hands = Hands(all_at_once)
    engine = Coordinator(lambda: hands, "hands")
    mine, all_packs = packs()
    results = engine.run(all_packs, mine, lambda units: None, lambda: False)
    next(results)
    with pytest.raises(OSError, match="disk"):
        results.throw(OSError("disk"))
    assert hands.closed == 1


def test_progress_hears_of_work_alone_and_of_stopping_at_once(tmp_path):
    """While nothing comes in there is no rate to show, and Ctrl-C is answered all the same."""

    class Heard(Silent):
        def __init__(self):
            self.steps, self.said = [], []

        def advance(self, model_steps):
            self.steps.append(model_steps)

        def draining(self):
            self.said.append(len(self.steps))

    def turn(hands):
        turns.append(1)
        if len(turns) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return all_at_once(hands) if len(turns) > 4 else []

    turns, heard = [], Heard()
    engine = Coordinator(lambda: Hands(turn, slots=2), "hands")
    options = {"engine": engine, "progress": heard, "when_stopped": "return"}
    outcome = run(FILE, store=tmp_path / "s.db", **options)
    assert (outcome.exit_code, outcome.trained) == (143, 6)
    assert heard.said == [0] and heard.steps == [30, 30]


def test_the_store_is_the_same_as_that_of_this_process(tmp_path):
    path = tmp_path / "s.db"
    outcome = run(FILE, store=path, engine=Coordinator(lambda: Hands(all_at_once), "hands"))
    assert (outcome.trained, outcome.pending) == (RUNS, 0)
    assert content(path) == made_here(tmp_path)
