"""Analyses that several studies share."""
