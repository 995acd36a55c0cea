"""JSON documents with a schema, equal on stdout and from the live page."""

import json
import math
from typing import Any

__all__ = ["json_document", "plain"]


def json_document(schema: str, **fields: object) -> str:
    """One JSON document with its schema.

    The text is ASCII without control characters, so that it is independent of the locale and safe
    to print on a terminal.
    """
    document = {"schema": f"allometry/{schema}/1", **plain(fields)}
    return json.dumps(document, allow_nan=False).replace("\x7f", r"\u007f")


def plain(value: Any) -> Any:
    """The value as JSON data; a float that is not finite becomes null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
