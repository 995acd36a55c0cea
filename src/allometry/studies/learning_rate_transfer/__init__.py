"""The best learning rate of Adam across widths, with and without muP, in two kinds of model."""

STUDIES = ("learning_rate_transfer", "learning_rate_transfer_language")
