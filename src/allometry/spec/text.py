"""Specs as strict JSON text, from which their names are computed."""

import json
from collections.abc import Sequence
from typing import Any

from allometry.errors import UsageError, quoted
from allometry.spec.value import Spec, default_left_out, has_version

__all__ = ["texts"]


def texts(specs: Sequence[Spec], *, defaults: bool = True) -> list[str]:
    """The document of each spec as strict JSON with sorted keys: equal specs have equal text.

    Values that specs share (a model, a data set) are converted once and reused.

    Raises:
        UsageError: a spec of a user-defined class has a field that is not plain data.
    """
    writer = _Writer(defaults)
    # By identity, which is safe while the specs keep their values alive. Specs that differ only
    # in their seed are converted once, as the text before and after the seed.
    around_seed: dict[tuple[Any, ...], list[str]] = {}
    out = []
    for spec in specs:
        values = spec.__dict__
        same = (type(spec), *[id(value) for name, value in values.items() if name != "seed"])
        halves = around_seed.get(same)
        if halves is None:
            text = writer.checked(spec)
            gap = f'"seed":{values.get("seed")}'
            # It occurs twice if a nested spec has the same seed: then the place is ambiguous.
            if text.count(gap) == 1:
                around_seed[same] = text.split(gap)
            out.append(text)
        else:
            out.append(f'{halves[0]}"seed":{values["seed"]}{halves[1]}')
    return out


class _Writer:
    """Writes specs as JSON text; values that several of them share are converted once."""

    def __init__(self, defaults: bool):
        self._defaults = defaults
        self._written: dict[int, str] = {}
        self._kinds: dict[type[Spec], list[tuple[str, str, Any]]] = {}

    def text(self, spec: Spec) -> str:
        kind = type(spec)
        fields = self._kinds.get(kind)
        if fields is None:
            fields = self._kinds[kind] = _sorted_fields(kind)
        values, written, parts = spec.__dict__, self._written, []
        for name, key, default in fields:
            value = values[name] if name else default
            if name and not self._defaults and value == default and not has_version(value):
                continue
            if type(value) is int:
                parts.append(f"{key}{value}")
            elif isinstance(value, Spec | tuple | list):
                text = written.get(id(value))
                if text is None:
                    text = written[id(value)] = self._nested(value)
                parts.append(key + text)
            else:
                parts.append(key + _json(value))
        return "{" + ",".join(parts) + "}"

    def checked(self, spec: Spec) -> str:
        """`text` of a spec whose class may be user-defined.

        Raises:
            UsageError: a value in it is not plain data.
        """
        try:
            return self.text(spec)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"{type(spec).__name__}: fields of numbers, texts, lists and Specs expected, got "
                f"{quoted(spec.__dict__)}: {error}"
            ) from error

    def _nested(self, value: object) -> str:
        if isinstance(value, Spec):
            return _json(value.short_text) if value.short_text else self.text(value)
        if isinstance(value, tuple | list):
            return "[" + ",".join(map(self._nested, value)) + "]"
        return _json(value)


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _sorted_fields(kind: type[Spec]) -> list[tuple[str, str, Any]]:
    """(name, key as JSON, value at which it is left out) of each field and of ``kind``, by key.

    ``kind`` and ``version`` are not fields: here their names are empty, and the third entry is
    their value.
    """
    rows = [(name, f"{_json(name)}:", default_left_out(kind, name)) for name in kind.model_fields]
    rows.append(("", '"kind":', kind.__name__))
    if kind.version > 1:
        rows.append(("", '"version":', kind.version))
    return sorted(rows, key=lambda row: row[1])
