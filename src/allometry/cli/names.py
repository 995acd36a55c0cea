"""Names that the package ships, written down: to load all that has them takes a second."""

import json
from pathlib import Path
from typing import Any

__all__ = ["FLOPS", "LISTING", "listed"]

LISTING = Path(__file__).with_name("listing.json")
FLOPS = ("6nd_total", "6nd_body", "6nd_body_plus_head", "with_attention", "deepseek", "measured")


def listed() -> dict[str, list[dict[str, Any]]]:
    """Studies, laws, data sets and the parts that runs are made of, each with its name."""
    return json.loads(LISTING.read_text("utf-8"))  # type: ignore[no-any-return]
