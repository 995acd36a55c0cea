"""What a worker is sent: which study, and the runs to train, as one JSON document.

No code is sent. The worker loads the study by its shipped name or from its file, and
refuses it if its SHA-256 is not the coordinator's. It builds the specs from their
documents with the classes of the study, and refuses a spec whose `run_id` or document
differs from the one it was sent.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from allometry.errors import DataError, UsageError
from allometry.spec import Spec, differences, run_ids, texts
from allometry.study import Study
from allometry.training.procedure import Pack

__all__ = ["SCHEMA", "Orders", "read_order"]

SCHEMA = "allometry/order/1"


class Orders:
    """Writes the orders of one study.

    Raises:
        UsageError: for a study made in memory.
    """

    def __init__(self, study: Study):
        head = {
            "schema": SCHEMA,
            "allometry": version("allometry"),
            "study": _reference(study.origin, study.name),
        }
        self._head = json.dumps(head)[:-1]

    def write(self, pack: Pack) -> bytes:
        """The order for a pack: the same bytes whenever it is written.

        Raises:
            UsageError: for specs of classes nobody else can find.
        """
        runs = ",".join(
            f'{{"run_id":"{run_id}","spec":{text}}}'
            for run_id, text in zip(run_ids(pack.specs), texts(pack.specs), strict=True)
        )
        modules = json.dumps(_modules(pack), sort_keys=True)
        return f'{self._head}, "modules": {modules}, "runs": [{runs}]}}'.encode()


def read_order(order: bytes) -> tuple[Study, Pack]:
    """The study and the pack of an order.

    Raises:
        DataError: when study, classes or specs differ from the coordinator's.
        UsageError: when there is no such study here.
    """
    document = json.loads(order)
    if document.get("schema") != SCHEMA:
        raise DataError(f"an order of schema {SCHEMA} expected, got {document.get('schema')!r}")
    if document["allometry"] != version("allometry"):
        raise DataError(
            f"the coordinator has allometry {document['allometry']}, this worker "
            f"{version('allometry')}: install the same version on both"
        )
    study = _load(document["study"]["origin"], document["study"]["sha256"])
    specs = [_build(run["spec"], document["modules"]) for run in document["runs"]]
    if any(spec.measures != study.measure_names for spec in specs):
        raise DataError(f"study {study.name} takes other measures here than were asked for")
    for run, spec, name in zip(document["runs"], specs, run_ids(specs), strict=True):
        changed = list(differences(run["spec"], spec.document()))
        if changed or name != run["run_id"]:
            raise DataError(
                f"run {run['run_id'][:12]} is another one on this worker: "
                f"{'; '.join(changed) or 'its run_id'}; use the same code on both"
            )
    return study, Pack(tuple(specs))


def _reference(origin: str, name: str) -> dict[str, str]:
    if not origin:
        raise UsageError(
            f"study {name} was made in memory, where other processes cannot find it: write it "
            "to a file and give its path (./mine.py), or use the local engine without workers"
        )
    return {"origin": origin, "sha256": _source_sha256(origin)}


def _source_sha256(origin: str) -> str:
    """SHA-256 of a study's file, or of all Python files of a shipped study's folder."""
    if origin.endswith(".py"):
        files = [Path(origin)]
    else:
        # Studies import nearly everything, so they are looked for when one is asked for.
        from allometry import studies

        module = studies.modules().get(origin)
        source = find_spec(module) if module else None
        if source is None or source.origin is None:
            raise UsageError(f"no study {origin!r} here; install the same allometry everywhere")
        file = Path(source.origin)
        is_shared = file.parent.name != "studies"
        files = sorted(file.parent.glob("*.py")) if is_shared else [file]
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            raise UsageError(f"no study file at {file}: it must be there on every machine")
        digest.update(file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def _load(origin: str, sha256: str) -> Study:
    """Load a study once for each state of its source: a worker trains many packs of one study."""
    from allometry import studies

    here = _source_sha256(origin)
    if here != sha256:
        raise DataError(
            f"{origin} is not the coordinator's: SHA-256 {here[:12]} here, {sha256[:12]} there; "
            "do not edit a study while it runs"
        )
    return studies.study(origin)


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
                "name; give it one of its own, at the top level of its module"
            )
    return modules


def _build(value: Any, modules: Mapping[str, str]) -> Any:
    """A spec from its document."""
    if isinstance(value, list):
        return tuple(_build(item, modules) for item in value)
    if not (isinstance(value, dict) and "kind" in value):
        return value
    kind = value["kind"]
    # Only among modules that the study has imported: nothing is imported by a name from outside.
    spec_class = getattr(sys.modules.get(modules.get(kind, "")), kind, None)
    if not (isinstance(spec_class, type) and issubclass(spec_class, Spec)):
        raise DataError(
            f"no spec class {kind} of {modules.get(kind)} here after loading the study; import it "
            "at the top of the study's file"
        )
    fields = {
        name: _build(item, modules)
        for name, item in value.items()
        if name in spec_class.model_fields
    }
    return spec_class.model_validate(fields)
