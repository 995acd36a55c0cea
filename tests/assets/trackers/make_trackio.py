"""Trackio's SQLite file of a project, by trackio 0.43.0.

pip install trackio
TRACKIO_DIR=FOLDER python -m tests.assets.trackers.make_trackio tests/assets/trackers
"""

import gzip
import os
import sys
from pathlib import Path

import trackio
from tests.assets.trackers.logged import RUNS

if __name__ == "__main__":
    for run in RUNS:
        trackio.init(project="widths", name=run.name, config=run.config, embed=False)
        for step in sorted({step for points in run.metrics.values() for step, _ in points}):
            here = {name: dict(points) for name, points in run.metrics.items()}
            trackio.log({n: at[step] for n, at in here.items() if step in at}, step=step)
        trackio.finish()
    content = (Path(os.environ["TRACKIO_DIR"]) / "widths.db").read_bytes()
    (Path(sys.argv[1]) / "trackio.db.gz").write_bytes(gzip.compress(content, mtime=0))
