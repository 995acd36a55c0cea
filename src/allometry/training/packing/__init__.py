"""Packs: which runs share a program, how their arrays are laid out, and their costs."""
