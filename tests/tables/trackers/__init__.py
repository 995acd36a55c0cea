"""Runs that other programs tracked: what they wrote is in tests/assets/trackers."""
