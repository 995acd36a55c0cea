"""Approaches 1, 2 and 3 of Hoffmann et al. 2203.15556, and Kaplan's law: from runs to N*."""
