"""Statistics that fits and studies share: intervals, straight lines, grids of runs, resampling."""
