"""Text as a data set: its documents, their parts, tokens and windows, and what compresses it."""
