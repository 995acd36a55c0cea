"""Multitask sparse parity: samples, networks and training."""
