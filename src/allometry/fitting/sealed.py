"""Documents with a SHA-256 of their content (a seal), so that changes are detected."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from allometry.errors import DataError
from allometry.files.strict_json import read_json

__all__ = ["sealed", "unsealed"]

SEALED, UNSEALED = 2, 1  # versions of a schema
SEAL = "sha256"


def sealed(document: Mapping[str, object]) -> dict[str, object]:
    """A document of schema version 1 as one of version 2, with its hash."""
    name, _, version = str(document["schema"]).rpartition("/")
    assert version == str(UNSEALED), document["schema"]
    whole = {**document, "schema": f"{name}/{SEALED}"}
    return {**whole, SEAL: _digest(whole)}


def unsealed(text: str | bytes, name: str, command: str) -> tuple[dict[str, Any], bool]:
    """The content of a document without its seal, and whether it had one.

    Args:
        name: of its schema, such as `allometry/fit`. command: that makes such a document, for
            messages.

    Raises:
        DataError: not a document of this schema, or changed after it was written.
    """
    try:
        document = read_json(text)
    except DataError as error:
        raise DataError(f"a document of schema {name} was expected: {error}") from None
    schemas = {f"{name}/{version}": version for version in (UNSEALED, SEALED)}
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, str) or schema not in schemas:
        received = schema if isinstance(document, dict) else type(document).__name__
        raise DataError(
            f"schema {' or '.join(map(repr, schemas))} was expected, got {str(received)[:60]!r}; "
            f"make one with {command}"
        )
    whole = {key: value for key, value in document.items() if key != SEAL}
    has_seal = len(whole) < len(document)
    if (has_seal or schemas[schema] == SEALED) and document.get(SEAL) != _digest(whole):
        raise DataError(
            f"the document was changed after it was written: its {SEAL} does not match its "
            f"content; use an unchanged copy, or make it again with {command}"
        )
    return {**whole, "schema": f"{name}/{UNSEALED}"}, has_seal


def _digest(document: Mapping[str, object]) -> str:
    # Keys in order and no spaces: the hash does not depend on the layout of the file.
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
