"""The live page: what a store holds now, in a browser of this machine."""
