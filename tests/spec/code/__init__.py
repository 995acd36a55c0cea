"""Tests of the identity of code."""
