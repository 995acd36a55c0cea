"""Packs by the cost model: as good as the best of all, the same again, and kept to memory."""

import json
import logging
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry import studies
from allometry.models import MLP
from allometry.models.model import Counts, Model
from allometry.spec import RunSpec
from allometry.spec.optimizers import SGD, Adam, AdamW
from allometry.training.loop import Training, train_pack
from allometry.training.packing import calibration as pack_calibration
from allometry.training.packing import choose
from allometry.training.packing.calibration import Calibration, calibration
from allometry.training.packing.choose import load_of, make_packs, pack_cost
from allometry.training.packing.cost import LENGTHS, Load, cheapest, cost, slots
from allometry.training.packing.explain import plans
from allometry.training.packing.sharing import model_of
from allometry.training.procedure import Pack, pending_packs
from tests.training.test_loop import small

# Two Zen 5 cores, quiet: 32 MB of shared cache.
MACHINE = Calibration(
    products=((3.2e6, 1.3e11), (1.3e7, 2.0e11), (5.1e7, 2.5e11), (2.1e8, 2.9e11), (8.2e8, 3.0e11)),
    batched=((1.6e4, 7e10), (2.6e5, 1.5e11), (4.2e6, 1.9e11)),
    passes=((1.0e6, 3.6e-10), (8.4e6, 3.7e-10), (3.4e7, 1.2e-9), (1.3e8, 3.8e-9)),
    operation=6.5e-7,
    compile_operation=9.6e-3,
    threads=2,
    memory=24 << 30,
)
NOTEBOOK = Load(updates=6320, batch=128, features=784, n_data=10_000, slots=2)
hidden = st.tuples(st.integers(1, 600), st.integers(1, 300))
loads = st.builds(
    Load,
    updates=st.integers(1, 20_000),
    batch=st.sampled_from([32, 128, 1024]),
    features=st.just(784),
    n_data=st.just(10_000),
    slots=st.sampled_from([0, 2]),
)


def perceptrons(pairs):
    return [MLP(widths=(784, a, b, 10)) for a, b in pairs]


def partitions(things):
    """Every way to part a list into sets (Bell's numbers: 877 for seven)."""
    if not things:
        yield []
        return
    first, *rest = things
    for parts in partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


def priced(models, parts, load, machine=MACHINE):
    return sum(cost([models[k] for k in part], load, machine).seconds for part in parts)


# ---- the choice --------------------------------------------------------------------------


def over_the_best(pairs, load):
    """The choice's predicted seconds over those of the best of all partitions."""
    models = perceptrons(pairs)
    chosen = cheapest(models, load, MACHINE)
    assert sorted(k for part in chosen for k in part) == list(range(len(models)))
    best = min(priced(models, parts, load) for parts in partitions(list(range(len(models)))))
    return priced(models, chosen, load) / best


@pytest.mark.slow
@settings(max_examples=10)
@given(st.lists(st.integers(2, 600), min_size=2, max_size=7), loads)
def test_no_way_to_part_seven_runs_is_more_than_5_percent_cheaper(widths, load):
    """Networks that narrow from layer to layer, as those of every study."""
    assert over_the_best([(w, w // 2) for w in widths], load) <= 1.05


@settings(max_examples=8)
@given(st.lists(hidden, min_size=2, max_size=6), loads)
def test_where_shapes_cross_one_order_costs_a_little(pairs, load):
    """Some widen and some narrow: no order of widths has all the good packs side by side."""
    assert over_the_best(pairs, load) <= 1.25


@settings(max_examples=50)
@given(st.lists(hidden, min_size=2, max_size=40), loads, st.randoms(use_true_random=False))
def test_packs_left_over_are_chosen_again_as_they_were(pairs, load, random):
    """Packs are made in order; after any number of them the rest is cut as it was."""
    models = perceptrons(pairs)
    chosen = cheapest(models, load, MACHINE)
    done = random.randint(0, len(chosen) - 1)
    left = sorted(k for part in chosen[done:] for k in part)
    again = cheapest([models[k] for k in left], load, MACHINE)
    assert [tuple(left[k] for k in part) for part in again] == chosen[done:]


def test_narrow_networks_share_a_program_and_wide_ones_do_not():
    assert len(cheapest(perceptrons([(w, w // 2) for w in range(2, 44)]), NOTEBOOK, MACHINE)) == 1
    wide = cheapest(perceptrons([(512, 256)] * 4), NOTEBOOK, MACHINE)
    assert wide == [(0,), (1,), (2,), (3,)]
    many = cheapest(perceptrons([(16, 8)] * 256), NOTEBOOK, MACHINE)
    assert 2 < len(many) < 20
    assert {len(part) for part in many} <= set(LENGTHS)
    assert len({len(part) for part in many}) <= 3, "equal runs are to be compiled once"


def test_a_short_run_is_not_cut_for_the_price_of_compiling():
    models = perceptrons([(16, 8)] * 256)
    short = replace(NOTEBOOK, updates=10)
    assert len(cheapest(models, short, MACHINE)) < len(cheapest(models, NOTEBOOK, MACHINE))


def test_no_pack_needs_more_than_its_share_of_the_memory():
    models = perceptrons([(64, 32)] * 40)
    one = cost(models[:1], NOTEBOOK, MACHINE).memory
    tight = replace(MACHINE, memory=int(4 * one * 1.05))
    chosen = cheapest(models, NOTEBOOK, tight)
    assert len(chosen) > len(cheapest(models, NOTEBOOK, MACHINE))
    for part in chosen:
        assert cost([models[k] for k in part], NOTEBOOK, tight).memory <= tight.memory / 4
    none = replace(MACHINE, memory=1)
    assert [len(p) for p in cheapest(models, NOTEBOOK, none)] == [1] * 40


def test_a_slower_memory_makes_packs_smaller():
    models = perceptrons([(64, 32)] * 32)
    slow = replace(MACHINE, passes=tuple((x, 4 * y if x > 2e6 else y) for x, y in MACHINE.passes))
    assert len(cheapest(models, NOTEBOOK, slow)) > len(cheapest(models, NOTEBOOK, MACHINE))


class Table(Model):
    """A model that says its size and no more: the cost model must do with that."""

    n: int

    member_fields = ("n",)

    def counts(self):
        return Counts(self.n, self.n, 2 * self.n, 4 * self.n)


def test_any_model_is_padded_to_the_largest_and_packed_with_its_like():
    models = [Table(n=n) for n in (100, 110, 120, 100_000, 110_000)]
    load = replace(NOTEBOOK, features=0)
    whole = cost(models, load, MACHINE)
    assert whole.waste == pytest.approx(1 - sum(m.n for m in models) / (5 * 110_000))
    assert cheapest(models, load, MACHINE) == [(0, 1, 2), (3, 4)]


@pytest.mark.parametrize(("optimizer", "arrays"), [(Adam(), 2), (AdamW(), 2), (SGD(), 0)])
def test_arrays_of_an_optimizer_are_counted(optimizer, arrays):
    assert slots(optimizer) == arrays


def test_memory_counts_parameters_moments_activations_and_batches():
    load = replace(NOTEBOOK, updates=10)
    found = cost(perceptrons([(32, 16)]), load, MACHINE).memory
    params = 784 * 32 + 32 + 32 * 16 + 16 + 160 + 10
    batches, data = 10 * 128 * 784, 10_000 * 784
    assert found == 4 * (4 * params + 3 * 128 * (32 + 16 + 10) + batches + data)


def test_what_was_chosen_for_one_group_is_not_mixed_with_another():
    specs = [small((7, h, 3), seed=s) for s in (0, 1) for h in (3, 7)]
    packs = make_packs(specs, MACHINE)
    assert [[s.seed for s in pack.specs] for pack in packs] == [[0, 0], [1, 1]]


def test_whichever_packs_are_left_a_resumed_run_makes_them_as_they_were():
    """Done in any order, as by several workers: the choice is made for all that was declared."""
    specs = [small((7, h, 3), seed=s) for s in range(3) for h in (3, 9)]
    packs = make_packs(specs, MACHINE)
    left = [*packs[1].specs]
    assert pending_packs(packs, left) == [packs[1]]
    assert pending_packs(packs, specs) == packs
    assert pending_packs(packs, []) == []


# ---- as many packs as threads ------------------------------------------------------------

EIGHT = replace(MACHINE, threads=8)


def notebook_runs(seeds, rate=1e-3, epochs=80):
    widths = [(1, 1), (3, 2), (6, 3), (9, 4), (12, 6), (17, 8), (23, 12), (32, 16), (43, 22)]
    train = dict(rate=rate, n=10_000, batch=128, epochs=epochs)
    return [small((784, a, b, 10), seed=s, **train) for s in range(seeds) for a, b in widths]


@pytest.mark.parametrize(("machine", "threads"), [(MACHINE, 2), (EIGHT, 8)])
def test_one_seed_is_cut_until_every_thread_has_work(machine, threads):
    specs = notebook_runs(1)
    assert len(make_packs(specs, machine, threads=1)) == 1
    packs = make_packs(specs, machine)
    assert 1 < len(packs) <= threads
    assert sorted(map(id, specs)) == sorted(id(s) for pack in packs for s in pack.specs)
    whole = choose.all_seconds([Pack(tuple(specs))], machine)
    assert choose.all_seconds(packs, machine) < whole / choose.GAIN
    costs = [pack_cost(pack.specs, machine) for pack in packs]
    # No member could go over to the other pack and both be done sooner.
    if threads == 2:
        order = sorted(specs, key=lambda s: s.model.widths)
        best = min(
            max(pack_cost(order[:k], machine).seconds, pack_cost(order[k:], machine).seconds)
            for k in range(1, len(order))
        )
        assert max(c.seconds for c in costs) == best


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_as_many_seeds_as_threads_stay_whole(seeds):
    """Wide products are faster: two seeds at once, each whole, take less than four halves."""
    assert [len(p.specs) for p in make_packs(notebook_runs(seeds), MACHINE)] == [9] * seeds


def test_time_of_packs_at_once_goes_by_what_threads_get_done():
    pack = make_packs(notebook_runs(1), MACHINE, threads=1)[0]
    whole = pack_cost(pack.specs, MACHINE)
    steps = whole.seconds - whole.compiling
    assert choose.all_seconds([pack], MACHINE) == whole.seconds
    both = choose.all_seconds([pack, pack], MACHINE)
    assert both == pytest.approx(max(steps, (2 * steps + whole.compiling) / 2))
    one_thread = choose.all_seconds([pack, pack], MACHINE, threads=1)
    assert one_thread == pytest.approx(2 * steps + whole.compiling)


def test_one_network_cannot_be_cut():
    assert len(make_packs([small((784, 43, 22, 10))], MACHINE)) == 1


# ---- every study -------------------------------------------------------------------------


@pytest.mark.parametrize("name", studies.names())
def test_more_than_15_percent_of_padding_only_where_equal_shapes_would_take_longer(name):
    """Networks so small that their operations cost more than their arithmetic."""
    study = studies.study(name)
    if not isinstance(study.procedure or Training(), Training):
        pytest.skip("a procedure of its own: no networks side by side")
    for size in study.sizes:
        packs = make_packs([s for s in study.specs(size) if isinstance(s, RunSpec)], MACHINE)
        for pack, plan in zip(packs, plans(packs, MACHINE), strict=True):
            if plan.waste > 0.15:
                shapes = defaultdict(list)
                for spec in pack.specs:
                    shapes[model_of(spec)].append(spec)
                parted = [Pack(tuple(specs)) for specs in shapes.values()]
                # Of one processor: other packs of the study keep the others busy meanwhile.
                together = pack_cost(pack.specs, MACHINE).seconds
                apart = sum(pack_cost(one.specs, MACHINE).seconds for one in parted)
                assert apart > together, f"{size} {plan}"


def test_the_plan_says_why():
    specs = [small((7, h, 3), epochs=3) for h in (3, 9)]
    (plan,) = plans(make_packs(specs, MACHINE, threads=1), MACHINE)
    assert (plan.runs, plan.updates, plan.layout) == (2, 3 * 7, "side by side")
    assert "one by one" in plan.why and plan.seconds > plan.compiling > 0
    wide = [small((784, 512, 256, 10), n=1000 + 0 * k, rate=1e-3 + k, epochs=400) for k in (0, 1)]
    first, last = plans(make_packs(wide, MACHINE), MACHINE)
    assert first.layout == "alone" and "with the next pack" in first.why
    assert last.why == "nothing else shares its program"


# ---- measuring this machine --------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache folder of its own, and how often the machine was measured."""
    asked = []
    monkeypatch.setattr(pack_calibration, "measure", lambda: asked.append(1) or MACHINE)
    calibration.cache_clear()
    yield tmp_path, asked
    calibration.cache_clear()


def test_the_machine_is_measured_once_and_what_is_kept_is_the_same(kept):
    root, asked = kept
    assert calibration(root) == MACHINE
    calibration.cache_clear()
    assert calibration(root) == MACHINE
    assert len(asked) == 1
    (file,) = (root / "calibration").iterdir()
    assert json.loads(file.read_text())["schema"] == pack_calibration.SCHEMA


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t[: len(t) // 2],
        lambda t: t.replace(pack_calibration.SCHEMA, "allometry/calibration/0"),
        lambda t: t.replace('"operation"', '"operatoin"'),
        lambda t: t.replace("6.5e-07", "-1"),
        lambda t: "[]",
    ],
)
def test_a_damaged_calibration_is_measured_again_and_said_so(kept, caplog, damage):
    root, asked = kept
    calibration(root)
    (file,) = (root / "calibration").iterdir()
    file.write_text(damage(file.read_text()))
    calibration.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert calibration(root) == MACHINE
    assert len(asked) == 2 and "measured again" in caplog.text
    calibration.cache_clear()
    assert calibration(root) == MACHINE and len(asked) == 2


def test_a_folder_that_cannot_be_written_is_said_and_packs_are_chosen_all_the_same(kept, caplog):
    root, _ = kept
    (root / "calibration").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert calibration(root) == MACHINE
    assert "cannot be written" in caplog.text


def test_importing_measures_nothing(tmp_path):
    program = "import allometry.training.packing.choose, allometry.training.packing.explain"
    environment = {"ALLOMETRY_CACHE": str(tmp_path), "PATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_measuring_takes_seconds_and_gives_a_calibration():
    began = time.perf_counter()
    found = pack_calibration.measure()
    assert time.perf_counter() - began < 15, "3 s on a quiet machine"
    assert found.products[-1][1] > found.products[0][1] / 2


# ---- beside the clock --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "pairs",
    [
        [(4, 4), (8, 8), (16, 8), (32, 16)],
        [(16, 8)] * 4,
        [(512, 256)] * 3,
        [(8, 8), (64, 32), (512, 256)],
    ],
)
def test_measured_no_contiguous_partition_is_much_faster(pairs):
    """All contiguous partitions timed; the choice is near the best by the clock."""
    specs = [small((784, a, b, 10), n=1280, n_in=784, batch=128, epochs=60) for a, b in pairs]
    load, n = load_of(specs), len(specs)
    stepping = {(a, b): _seconds(specs[a:b]) for a in range(n) for b in range(a + 1, n + 1)}

    def clock(parts):
        return sum(stepping[part[0], part[-1] + 1] for part in parts)

    machine = calibration()
    chosen = cheapest([model_of(s) for s in specs], replace(load, updates=10**5), machine)
    ways = [p for p in partitions(list(range(n))) if all(_contiguous(part) for part in p)]
    assert clock(chosen) <= 1.25 * min(clock(sorted(map(sorted, p))) for p in ways)


def _contiguous(part):
    return sorted(part) == list(range(min(part), max(part) + 1))


@cache
def _timed(specs):
    marks = [[] for _ in range(3)]
    for own in marks:
        train_pack(Pack(specs), {}, {}, lambda n, own=own: own.append(time.perf_counter()))
    # The last call of the program makes fewer updates.
    return min(b - a for own in marks for a, b in pairwise(own[:-1]))


def _seconds(specs):
    """Of a call of the program, the fastest; loading and compiling are out."""
    return _timed(tuple(specs))


def test_runs_that_differ_in_their_seeds_are_looked_at_once(monkeypatch):
    """50,000 runs took nine minutes to be parted; what is looked at does not grow with seeds."""
    looks = []
    cut = choose._cut

    def counted(*arguments, **options):
        looks.append(1)
        return cut(*arguments, **options)

    monkeypatch.setattr(choose, "_cut", counted)
    base = small((7, 3, 3))
    models = [MLP(widths=(7, width, 3)) for width in range(3, 33)]
    for seeds in (17, 170):  # blocks of 17 seeds of 30 runs
        every = [(seed, model) for seed in range(seeds) for model in models]
        specs = [base.model_copy(update={"model": m, "seed": s}) for s, m in every]
        looks.clear()
        packs = make_packs(specs, MACHINE)
        assert len(looks) <= 2 * (17 + 1) and sum(len(p.specs) for p in packs) == len(specs)


def test_networks_with_other_inputs_share_no_batches_whoever_shares_their_settings():
    base = small((7, 5, 3))
    specs = [base.model_copy(update={"model": MLP(widths=(n, 5, 3))}) for n in (7, 9, 7)]
    assert sorted(len(pack.specs) for pack in make_packs(specs, MACHINE)) == [1, 2]
