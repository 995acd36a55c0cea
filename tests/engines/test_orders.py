"""An order makes the same runs elsewhere, or is refused in words."""

import json
import shutil
from dataclasses import replace

import pytest

from allometry import studies
from allometry.engines import orders as orders_module
from allometry.engines.orders import Orders, read_order
from allometry.errors import DataError, UsageError
from allometry.spec import Spec
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Pack
from tests.engines.cases import FILE, packs, study


def changed(order, change):
    document = json.loads(order)
    change(document)
    return json.dumps(document).encode()


def test_an_order_is_json_and_builds_the_runs_it_was_written_for():
    mine, all_packs = packs()
    order = Orders(mine).write(all_packs[0])
    assert json.loads(order)["schema"] == "allometry/order/2"
    there, pack = read_order(order)
    assert there.name == "imagined"
    assert [s.run_id for s in pack.specs] == [s.run_id for s in all_packs[0].specs]
    assert [s.document() for s in pack.specs] == [s.document() for s in all_packs[0].specs]


def test_an_order_is_the_same_bytes_whenever_it_is_written():
    orders = [Orders(packs()[0]).write(packs()[1][0]) for _ in range(2)]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", studies.names())
def test_every_shipped_study_can_be_ordered(name):
    shipped = studies.study(name)
    specs = shipped.specs("quick")
    there, pack = read_order(Orders(shipped).write(Pack(tuple(specs))))
    assert there.name == name
    assert list(pack.specs) == specs


def test_changes_of_the_command_line_are_in_the_specs():
    shipped = studies.study("mlp_parameter_scaling")
    specs = shipped.specs("quick", 1, {"train.epochs": "3", "train.optimizer.learning_rate": "0.5"})
    _, pack = read_order(Orders(shipped).write(make_packs(specs)[0]))
    assert {s.train.epochs for s in pack.specs} == {3}
    assert pack.specs[0].train.optimizer.learning_rate == 0.5


def test_a_study_edited_since_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    shutil.copy(FILE, file)
    mine = studies.study(file)
    order = Orders(mine).write(Pack(tuple(mine.specs("quick")[:1])))
    file.write_text(file.read_text() + "\n# a comment\n")
    assert read_order(order)[0].name == "imagined"
    file.write_text(file.read_text().replace("float(draw.random())", "2 * float(draw.random())"))
    orders_module._load.cache_clear()  # as in a worker that has not loaded it yet
    with pytest.raises(DataError, match=r"made changed; .*do not edit a study while it runs"):
        read_order(order)


def test_a_file_that_is_not_there_is_named(tmp_path):
    file = tmp_path / "gone.py"
    shutil.copy(FILE, file)
    mine = studies.study(file)
    order = Orders(mine).write(Pack(tuple(mine.specs("quick")[:1])))
    file.unlink()
    with pytest.raises(UsageError, match=r"gone\.py: it must be there on every machine"):
        read_order(order)


def test_a_study_from_memory_is_refused_with_what_to_do():
    mine, all_packs = packs()
    with pytest.raises(UsageError, match=r"made in memory.*give its path"):
        Orders(replace(mine, origin="")).write(all_packs[0])


def test_a_worker_of_another_version_is_refused():
    mine, all_packs = packs()
    order = changed(
        Orders(mine).write(all_packs[0]), lambda document: document.update(allometry="0.0.1")
    )
    with pytest.raises(DataError, match=r"the coordinator has allometry 0\.0\.1"):
        read_order(order)


def test_a_worker_with_another_source_of_the_package_is_refused():
    mine, all_packs = packs()
    order = changed(Orders(mine).write(all_packs[0]), lambda document: document.update(source="0"))
    with pytest.raises(DataError, match="the source of allometry on this worker differs"):
        read_order(order)


def test_a_run_that_is_another_one_here_is_refused():
    mine, all_packs = packs()

    def other_value(document):
        document["runs"][0]["spec"]["inner"]["rate"] = 0.75

    with pytest.raises(DataError, match="differs on this worker"):
        read_order(changed(Orders(mine).write(all_packs[0]), other_value))


def test_a_study_whose_measures_were_changed_in_memory_is_refused():
    mine = replace(study(), measures={"more": dict})
    order = Orders(mine).write(Pack(tuple(mine.specs("quick")[:1])))
    with pytest.raises(DataError, match="takes other measures"):
        read_order(order)


@pytest.mark.parametrize(
    ("kind", "module"),
    [("Popen", "subprocess"), ("Job", "nowhere"), ("Nothing", "imagined"), ("system", "os")],
)
def test_only_spec_classes_already_there_are_ever_built(kind, module):
    mine, all_packs = packs()

    def foreign(document):
        document["runs"][0]["spec"]["kind"] = kind
        document["modules"][kind] = module

    with pytest.raises(DataError, match=f"no spec class {kind}"):
        read_order(changed(Orders(mine).write(all_packs[0]), foreign))


def test_a_class_others_cannot_find_is_refused_when_the_order_is_written():
    class Hidden(Spec):
        width: int = 1

    mine, all_packs = packs()
    hidden = all_packs[0].specs[0].model_copy(update={"inner": Hidden()})
    with pytest.raises(UsageError, match="at the top level of its module"):
        Orders(mine).write(Pack((hidden,)))
