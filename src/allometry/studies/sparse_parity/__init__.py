"""Multitask sparse parity: its samples, its networks, and how they are trained."""
