"""Convolutional networks of several widths, trained on several shares of MNIST."""
