"""Orders to workers: a JSON document that names a study and lists the runs to train.

No code is sent. The worker loads the study by its shipped name or from its file, and builds
the specs from their documents with the classes of the study. It refuses an order from another
version of Allometry, a spec whose `run_id` or document differs from the one sent, and a spec whose
code differs on this worker (`allometry.spec.code`).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from allometry.errors import DataError, UsageError
from allometry.spec import Experiment, Spec, differences, run_ids, texts
from allometry.spec.code import UserCode, changes, is_known, user_classes
from allometry.study import Study
from allometry.training.procedure import Pack
from allometry.training.source import source_sha256

__all__ = ["SCHEMA", "Orders", "read_order"]

SCHEMA = "allometry/order/2"
# The threads of an executor read one at a time: loading a study again replaces its modules, and
# Python 3.11 cannot make syntax trees in two threads at once.
_READING = Lock()


class Orders:
    """Writes the orders of one study.

    Raises:
        UsageError: the study was made in memory.
    """

    def __init__(self, study: Study):
        if not study.origin:
            raise UsageError(
                f"study {study.name} was made in memory, where other processes cannot find it: "
                "write it to a file and give its path (./mine.py), or use the local engine "
                "without workers"
            )
        head = {
            "schema": SCHEMA,
            "allometry": version("allometry"),
            "source": source_sha256(),
            "study": study.origin,
        }
        self._head = json.dumps(head)[:-1]
        self._study = study
        self._parts: dict[str, Mapping[str, str]] = {"": {}}

    def write(self, pack: Pack) -> bytes:
        """The order for a pack; writing it again gives the same bytes.

        Raises:
            UsageError: other processes could not find the class of a spec.
        """
        runs = ",".join(
            f'{{"run_id":"{run_id}","spec":{text}}}'
            for run_id, text in zip(run_ids(pack.specs), texts(pack.specs), strict=True)
        )
        modules = json.dumps(_modules(pack), sort_keys=True)
        code = json.dumps(self._parts_of(pack), sort_keys=True)
        about = f'"divided": {json.dumps(pack.divided)}, "modules": {modules}, "code": {code}'
        return f'{self._head}, {about}, "runs": [{runs}]}}'.encode()

    def _parts_of(self, pack: Pack) -> dict[str, str]:
        """The parts of a pack's code; a worker with other code names the differences."""
        if any(spec.code not in self._parts for spec in pack.specs):
            codes = self._study.codes(user_classes(pack.specs))
            self._parts |= {code.digest: code.parts for code in codes}
        digests = dict.fromkeys(spec.code for spec in pack.specs)
        return {n: part for digest in digests for n, part in self._parts.get(digest, {}).items()}


def read_order(order: bytes) -> tuple[Study, Pack]:
    """The study and the pack of an order.

    Raises:
        DataError: study, classes, specs or code differ from the coordinator's.
        UsageError: the study does not exist on this worker.
    """
    with _READING:
        return _read(json.loads(order))


def _read(document: dict[str, Any]) -> tuple[Study, Pack]:
    if document.get("schema") != SCHEMA:
        raise DataError(f"an order of schema {SCHEMA} expected, got {document.get('schema')!r}")
    if document["allometry"] != version("allometry"):
        raise DataError(
            f"the coordinator has allometry {document['allometry']}, this worker "
            f"{version('allometry')}: install the same version on both"
        )
    if document["source"] != source_sha256():
        raise DataError(
            "the source of allometry on this worker differs from the coordinator's: install the "
            "same version on both, and do not edit it while it runs"
        )
    wanted = {(run["spec"]["code"], tuple(run["spec"]["measures"])) for run in document["runs"]}
    loaded = _load(document["study"], tuple(sorted(wanted)))
    study = loaded.study
    specs = [_build(run["spec"], document["modules"]) for run in document["runs"]]
    if any(spec.measures != study.measure_names for spec in specs):
        raise DataError(f"study {study.name} takes other measures on this worker than ordered")
    for run, spec, name in zip(document["runs"], specs, run_ids(specs), strict=True):
        changed = list(differences(run["spec"], spec.document()))
        if changed or name != run["run_id"]:
            raise DataError(
                f"run {run['run_id'][:12]} differs on this worker: "
                f"{'; '.join(changed) or 'its run_id'}; use the same code on both machines"
            )
    loaded.check(specs, document["code"])
    return study, Pack(tuple(specs), divided=document["divided"])


class _Loaded(NamedTuple):
    """A study loaded on this worker.

    Attributes:
        codes: the user code behind runs, by their user-defined classes. It is computed once, so
            that changes that training makes to a module do not count.
    """

    study: Study
    codes: dict[frozenset[type[Spec]], UserCode]

    def check(self, specs: Sequence[Experiment], parts: Mapping[str, str]) -> None:
        """Refuse specs whose code differs from the code on this worker.

        Args:
            specs: the specs of an order.
            parts: the parts of the coordinator's code.

        Raises:
            DataError: names the parts that differ.
        """
        for spec, classes in zip(specs, user_classes(specs), strict=True):
            if classes not in self.codes:
                (self.codes[classes],) = self.study.codes([classes])
            code = self.codes[classes]
            if is_known(spec.code) and spec.code != code.digest:
                changed = changes(parts, code.parts) or "code that it reaches"
                raise DataError(
                    f"the code of study {self.study.name} is not the coordinator's: {changed}; use "
                    "the same files and packages on both, do not edit a study while it runs, and "
                    "let values that the study computes while loading depend neither on unseeded "
                    "random numbers nor on the order of a set"
                )


@lru_cache(maxsize=4)
def _load(origin: str, wanted: tuple[tuple[str, tuple[str, ...]], ...]) -> _Loaded:
    """Load a study, cached for each state of its code: a worker trains many packs of one study.

    Args:
        origin: where the study is loaded from.
        wanted: codes and measures of the ordered runs; they serve as key of the cache.
    """
    from allometry import studies

    if origin.endswith(".py") and not Path(origin).is_file():
        raise UsageError(f"no study file at {origin}: it must be there on every machine")
    return _Loaded(studies.study(origin), {})


# ---- specs and their classes -----------------------------------------------------------------


def _specs_in(value: Any) -> Iterator[Spec]:
    if isinstance(value, Spec):
        yield value
        for name in type(value).model_fields:
            yield from _specs_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _specs_in(item)


def _modules(pack: Pack) -> dict[str, str]:
    """Name of each class in the specs to its module."""
    modules: dict[str, str] = {}
    for kind in {type(spec) for spec in _specs_in(pack.specs)}:
        name, module = kind.__name__, kind.__module__
        if kind.__qualname__ != name or modules.setdefault(name, module) != module:
            raise UsageError(
                f"spec class {kind.__qualname__} of {module}: other processes find classes by "
                "name; give it a unique name, at the top level of its module"
            )
    return modules


def _build(value: Any, modules: Mapping[str, str]) -> Any:
    """A spec from its document."""
    if isinstance(value, list):
        return tuple(_build(item, modules) for item in value)
    if not (isinstance(value, dict) and "kind" in value):
        return value
    kind = value["kind"]
    # Only modules that the study has imported: an order cannot cause an import by name.
    spec_class = getattr(sys.modules.get(modules.get(kind, "")), kind, None)
    if not (isinstance(spec_class, type) and issubclass(spec_class, Spec)):
        raise DataError(
            f"no spec class {kind} of {modules.get(kind)} on this worker after loading the study; "
            "import it at the top of the study's file"
        )
    fields = {
        name: _build(item, modules)
        for name, item in value.items()
        if name in spec_class.model_fields
    }
    return spec_class.model_validate(fields)
