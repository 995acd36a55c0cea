"""The best learning rate of Adam across widths, with and without muP: of perceptrons, of text."""

STUDIES = ("learning_rate_transfer", "learning_rate_transfer_language")
