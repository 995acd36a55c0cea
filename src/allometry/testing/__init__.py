"""Checks that user-defined parts do what the library relies on."""

from allometry.testing.conformance import check_model as check_model

__all__ = ["check_model"]
