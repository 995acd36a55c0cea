"""Alabdulmohsin et al.'s name for the power law with a floor."""

from dataclasses import replace

from allometry.laws import power_floor

__all__ = ["LAW"]

LAW = replace(power_floor.LAW, name="m2", source="M2 of Alabdulmohsin et al. 2209.06640")
