"""The toy model of grokking: addition, or composition of permutations, in representation space.

Source: Liu, Kitouni, Nolte, Michaud, Tegmark & Williams 2022, "Towards Understanding Grokking: An
Effective Theory of Representation Learning", 2205.10343.
"""

STUDIES = ("grokking", "grokking_phases")
