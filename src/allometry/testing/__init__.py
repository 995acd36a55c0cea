"""Checks that parts of one's own keep what the library builds on."""

from allometry.testing.conformance import check_model as check_model

__all__ = ["check_model"]
