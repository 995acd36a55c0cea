"""Verdicts on a person's own parts outlive the process, and hold for what was judged alone."""

import json
import os
import subprocess
import sys

import pytest

from allometry import studies
from allometry.training import proof, verdicts
from allometry.training.procedure import Pack

STUDY = '''
"""Widths of a perceptron of one's own."""
from typing import ClassVar

import jax
import jax.numpy as jnp

from allometry import Study, measures
from allometry.datasets.splits import Moons
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam


class Mine(MLP):
    member_fields: ClassVar[tuple[str, ...]] = ("widths",)

    def apply(self, params, x):
        h = jnp.tanh(x @ params["weight0"].T + params["bias0"])
        h = h - 0 * h.mean(axis=-1, keepdims=True)
        return h @ params["weight1"].T + params["bias1"]


def runs(size, seeds):
    return [
        RunSpec(
            model=Mine(widths=(2, width, 2)), data=Moons(n_samples=100), seed=seed,
            train=TrainSpec(optimizer=Adam(), epochs=2, batch_size=32),
        )
        for seed in seeds for width in (4, 6, 9)
    ]


STUDY = Study(
    name="mine", title="t", question="q", prediction="p", source="s", runs=runs,
    seeds={"quick": (0, 1)}, measures={"losses": measures.losses}, analyse=lambda table: [],
)
'''


@pytest.fixture
def specs(tmp_path):
    """The runs of the study's file with a text in it replaced."""

    def of(before="", after=""):
        file = tmp_path / "mine.py"
        file.write_text(STUDY.replace(before, after) if before else STUDY)
        return studies.study(file).specs("quick")

    return of


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """How many verdicts are made anew, and the packs; asked as in a new process."""
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))

    def of(specs, verdict="differ"):
        made = []
        monkeypatch.setattr(proof, "_judged", lambda members: made.append(1) or verdict)
        proof._difference.cache_clear()
        packs = proof.proved([Pack(tuple(spec for spec in specs if spec.seed == 0))])
        return len(made), [(len(pack.specs), pack.note) for pack in packs]

    return of


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "proofs").iterdir())


def test_a_verdict_is_kept_whether_sound_or_not(judged, specs, tmp_path):
    sound, unsound = judged(specs(), ""), judged(specs("h - 0 *", "h - 1 *"))
    assert sound == (1, [(3, "")])
    assert unsound[0] > 0 and len(unsound[1]) == 3 and "only equal shapes" in unsound[1][0][1]
    assert judged(specs(), "never asked for") == (0, sound[1])
    assert judged(specs("h - 0 *", "h - 1 *"), "never asked for") == (0, unsound[1])
    assert judged(specs("h - 0 *", "h - 2 *"), "") == (1, sound[1]), "an edited part"
    assert judged(specs("class Mine", "# a comment\nclass Mine")) == (0, sound[1])
    assert (tmp_path / "cache" / "proofs").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_verdicts_of_real_training_are_those_kept(specs, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOMETRY_CACHE", str(tmp_path / "cache"))
    for change, number in ((("", ""), 1), (("h - 0 *", "h - 1 *"), 3)):
        pack = Pack(tuple(spec for spec in specs(*change) if spec.seed == 0))
        proof._difference.cache_clear()
        first = proof.proved([pack])
        assert len(first) == number
        proof._difference.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(proof, "_judged", lambda specs: pytest.fail("judged again"))
            assert proof.proved([pack]) == first


@pytest.mark.parametrize(
    "change", ["source", "jax", "settings", "code without source", "no code", "other members"]
)
def test_what_a_verdict_depends_on_is_in_its_name(change, judged, specs, monkeypatch):
    runs = specs()
    assert judged(runs, "")[0] == 1
    match change:
        case "source":
            monkeypatch.setattr(verdicts, "source_sha256", lambda: "0" * 64)
        case "jax":
            known = verdicts.version
            monkeypatch.setattr(verdicts, "version", lambda p: "0" if p == "jax" else known(p))
        case "settings":
            monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
        case "code without source":
            runs = [spec.model_copy(update={"code": "unknown-" + "0" * 56}) for spec in runs]
        case "no code":
            runs = [spec.model_copy(update={"code": ""}) for spec in runs]
        case "other members":
            runs = specs("(4, 6, 9)", "(4, 6, 10)")
    assert judged(runs, "")[0] == 1
    again = 1 if "code" in change else 0
    assert judged(runs, "")[0] == again


def empty(file):
    file.write_text("")


def nested(file):
    file.write_text("[" * 60_000)


def another_verdict(file):
    file.write_text(file.read_text().replace('"verdict": ""', '"verdict": "x"'))


def of_another_name(file):
    document = verdicts._document("0" * 64, "")
    file.write_text(json.dumps(document))


def no_text(file):
    file.write_text(json.dumps({**json.loads(file.read_text()), "verdict": 5}))


def large(file):
    file.write_text(" " * 10**6)


@pytest.mark.parametrize(
    "damage", [empty, nested, another_verdict, of_another_name, no_text, large]
)
def test_a_damaged_entry_is_judged_again(damage, judged, specs, tmp_path):
    runs = specs()
    judged(runs, "")
    (file,) = kept(tmp_path)
    damage(file)
    assert judged(runs, "")[0] == 1
    assert judged(runs, "")[0] == 0, "and kept anew"


def test_a_folder_that_others_can_write_is_not_trusted(judged, specs, tmp_path, caplog):
    runs = specs()
    judged(runs, "")
    (tmp_path / "cache" / "proofs").chmod(0o777)
    assert [judged(runs, "")[0] for _ in range(2)] == [1, 1]
    assert caplog.text.count("verdicts on parts of your own are not kept") == 1


def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(judged, specs, tmp_path, caplog):
    runs = specs()
    judged(runs, "")
    (file,) = kept(tmp_path)
    file.unlink()
    os.mkfifo(file)
    assert judged(runs, "")[0] == 1
    assert "cannot be written" in caplog.text


def test_the_oldest_go(judged, specs, tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "MOST", 1)
    judged(specs(), "")
    (first,) = kept(tmp_path)
    (first.parent / "mine.json").write_text("mine")
    os.utime(first, (1, 1))
    judged(specs("h - 0 *", "h - 0.5 *"), "")
    assert len(kept(tmp_path)) == 2 and not first.exists()


PROCESS = """
import sys, jax
from allometry import studies
from allometry.training import proof
from allometry.training.procedure import Pack
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **more: compiled.append(event) if "backend_compile" in event else None)
specs = [spec for spec in studies.study(sys.argv[1]).specs("quick") if spec.seed == 0]
assert len(proof.proved([Pack(tuple(specs))])) == 1
print(len(compiled))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing_for_it(tmp_path):
    (tmp_path / "mine.py").write_text(STUDY)
    environ = {**os.environ, "ALLOMETRY_CACHE": str(tmp_path / "cache")}
    environ.pop("JAX_COMPILATION_CACHE_DIR", None)

    def compiled():
        command = [sys.executable, "-c", PROCESS, str(tmp_path / "mine.py")]
        return int(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)

    assert compiled() > 2
    assert compiled() == 0
