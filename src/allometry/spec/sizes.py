"""The sizes that shipped studies have; a study of your own may have others."""

__all__ = ["SIZES"]

SIZES = ("quick", "notebook", "paper")
"""From small to large: a minute, the exact workload of the notebook, the figure of the paper."""
