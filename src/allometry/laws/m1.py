"""Alabdulmohsin et al.'s name for the pure power law."""

from dataclasses import replace

from allometry.laws import power

__all__ = ["LAW"]

LAW = replace(power.LAW, name="m1", source="M1 of Alabdulmohsin et al. 2209.06640")
