"""Tests, laid out as the source is."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "tests" / "assets"
# Published data sets; only the tests that read them need the folder.
REFERENCE = Path(os.environ.get("ALLOMETRY_REFERENCE", ROOT.parent / "shared" / "reference"))
