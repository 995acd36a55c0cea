"""Delayed generalisation: perceptrons on MNIST, and networks that learn modular addition."""

STUDIES = ("mnist_grokking", "modular_addition")
