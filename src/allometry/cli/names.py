"""Names that the package ships, listed in a file: importing what defines them takes a second."""

import json
from pathlib import Path
from typing import Any

__all__ = ["FLOPS", "LISTING", "listed"]

LISTING = Path(__file__).with_name("listing.json")
FLOPS = ("6nd_total", "6nd_body", "6nd_body_plus_head", "with_attention", "deepseek", "measured")


def listed() -> dict[str, list[dict[str, Any]]]:
    """The names of studies, laws, data sets and the parts of runs, by kind."""
    return json.loads(LISTING.read_text("utf-8"))  # type: ignore[no-any-return]
