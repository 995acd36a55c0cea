"""Tables of runs that other programs tracked: one file a tracker, `source` tells which it is.

Their files are read only, in bounds, and nothing in them is run.
"""
