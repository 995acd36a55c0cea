"""Tables of runs that other programs tracked: a module per tracker; `source` tells them apart.

Their files are only read, within limits of size, and nothing in them is run.
"""
