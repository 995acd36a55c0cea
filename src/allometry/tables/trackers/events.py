"""Messages of TensorBoard's event files: scalars and hyperparameters, read and written.

Numbers of fields are those of event.proto, summary.proto, tensor.proto and types.proto of
TensorFlow, of struct.proto of protocol buffers, and of plugins/hparams/plugin_data.proto of
TensorBoard. Other messages (pictures, histograms, graphs, texts) are ignored.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from allometry.tables.trackers.protobuf import (
    Malformed,
    double,
    fields,
    length_delimited,
    packed,
    signed,
    varint,
)

__all__ = ["Event", "SessionEnd", "event_of", "hyperparameters", "scalar", "session_end", "version"]

SCALARS, HPARAMS = "scalars", "hparams"  # plugins of TensorBoard
START_TAG, END_TAG = "_hparams_/session_start_info", "_hparams_/session_end_info"
SESSION_START = 1  # SessionLog.START
SCALAR_CLASS = 1  # DataClass.DATA_CLASS_SCALAR
DOUBLE = 2  # DataType.DT_DOUBLE
# DT_FLOAT and DOUBLE: how struct reads tensor_content, and the field with values otherwise.
FLOATS = {1: ("f", 5), DOUBLE: ("d", 6)}
SUCCESS = 1  # of the states of a session

SessionEnd = Literal["finished", "failed", "running", "unknown"]
ENDS: dict[int, SessionEnd] = {1: "finished", 2: "failed", 3: "running"}


@dataclass
class Event:
    """The content of an event that is used.

    Attributes:
        step: of all its scalars. scalars: pairs of tag and number.
        hyperparameters: of the run, None where the event has none.
        end: how the run ended, where the event says it.
        restarts: whether earlier points at this step and later ones are to be dropped.
    """

    step: int = 0
    scalars: list[tuple[str, float]] = field(default_factory=list)
    hyperparameters: dict[str, Any] | None = None
    end: SessionEnd | None = None
    restarts: bool = False


def event_of(message: bytes) -> Event:
    """The event of a message.

    Raises:
        Malformed: it is not an Event.
    """
    event = Event()
    for number, value in fields(message):
        if number == 2 and isinstance(value, int):
            event.step = signed(value)
        elif number == 5 and isinstance(value, bytes):
            for inner, summary_value in fields(value):
                if inner == 1 and isinstance(summary_value, bytes):
                    _add(event, _last(summary_value))
        elif number == 7 and isinstance(value, bytes):
            event.restarts = _last(value).get(1) == SESSION_START
    return event


def _last(message: bytes) -> dict[int, Any]:
    """The last value of each field."""
    return dict(fields(message))


def _text(value: object) -> str:
    """The text of a field."""
    if not isinstance(value, bytes):
        raise Malformed("a text was expected")
    return value.decode()


def _add(event: Event, value: dict[int, Any]) -> None:
    """Add the content of a Summary.Value to an event."""
    tag = _text(value.get(1, b""))
    metadata = _last(value[9]) if 9 in value else {}
    plugin = _last(metadata[1]) if 1 in metadata else {}
    name = _text(plugin.get(1, b""))
    if name == HPARAMS:
        content = _last(plugin.get(2, b""))
        if tag == START_TAG and 3 in content:
            event.hyperparameters = _start(content[3])
        elif tag == END_TAG and 4 in content:
            event.end = ENDS.get(_last(content[4]).get(1, 0), "unknown")
    elif 2 in value:
        (number,) = packed(value[2], "f")
        event.scalars.append((tag, number))
    elif 8 in value and name in ("", SCALARS):
        of_tensor = _tensor(value[8])
        if of_tensor is not None:
            event.scalars.append((tag, of_tensor))


def _tensor(message: bytes) -> float | None:
    """The number of a tensor of one float or double without axes; None for any other."""
    tensor = list(fields(message))
    last: dict[int, Any] = dict(tensor)
    if last.get(1) not in FLOATS or (2 in last and _has_axes(last[2])):
        return None
    form, place = FLOATS[last[1]]
    packed_values: list[Any] = [value for number, value in tensor if number == place]
    contents = [last[4]] if last.get(4) else packed_values
    values = [number for content in contents for number in packed(content, form)]
    return values[0] if len(values) == 1 else None


def _has_axes(shape: bytes) -> bool:
    return any(number == 2 for number, _ in fields(shape))


def _start(message: bytes) -> dict[str, Any]:
    """The hyperparameters of a SessionStartInfo, whose first field is a map."""
    values: dict[str, Any] = {}
    for number, entry in fields(message):
        if number == 1 and isinstance(entry, bytes):
            pair = _last(entry)
            values[_text(pair.get(1, b""))] = _value(pair.get(2, b""))
    return values


def _value(message: bytes) -> Any:
    """A google.protobuf.Value; None for a struct or a list."""
    for number, value in fields(message):
        if number == 2 and isinstance(value, bytes):
            (figure,) = packed(value, "d")
            return int(figure) if math.isfinite(figure) and figure.is_integer() else figure
        if number == 3:
            return _text(value)
        if number == 4:
            return bool(value)
    return None


# ---- writing -------------------------------------------------------------------------------


def version(wall_time: float) -> bytes:
    """The event that every file begins with."""
    return double(1, wall_time) + length_delimited(3, "brain.Event:2")


def scalar(tag: str, value: float, step: int, wall_time: float) -> bytes:
    """An event with one number, as a tensor of one double: all digits are kept."""
    tensor = varint(1, DOUBLE) + length_delimited(2, b"") + double(6, value)
    metadata = length_delimited(1, length_delimited(1, SCALARS)) + varint(4, SCALAR_CLASS)
    return _event(tag, length_delimited(8, tensor) + length_delimited(9, metadata), step, wall_time)


def hyperparameters(values: Mapping[str, str | int | float | bool | None], time: float) -> bytes:
    """An event with the configuration of a run, for TensorBoard's tab of hyperparameters."""
    entries = b"".join(
        length_delimited(1, length_delimited(1, name) + length_delimited(2, _of(value)))
        for name, value in values.items()
        if value is not None
    )
    return _of_plugin(START_TAG, length_delimited(3, entries + double(5, time)), time)


def session_end(wall_time: float, *, success: bool) -> bytes:
    """An event that says how a run ended."""
    ended = varint(1, SUCCESS if success else SUCCESS + 1) + double(2, wall_time)
    return _of_plugin(END_TAG, length_delimited(4, ended), wall_time)


def _of(value: str | int | float | bool) -> bytes:
    if isinstance(value, bool):
        return varint(4, value)
    if isinstance(value, str):
        return length_delimited(3, value)
    return double(2, float(value))


def _of_plugin(tag: str, content: bytes, wall_time: float) -> bytes:
    plugin = length_delimited(1, HPARAMS) + length_delimited(2, varint(1, 0) + content)
    return _event(tag, length_delimited(9, length_delimited(1, plugin)), 0, wall_time)


def _event(tag: str, value: bytes, step: int, wall_time: float) -> bytes:
    summary = length_delimited(1, length_delimited(1, tag) + value)
    return double(1, wall_time) + varint(2, step) + length_delimited(5, summary)
