"""Convolutional networks of many widths, trained on many shares of FashionMNIST."""
