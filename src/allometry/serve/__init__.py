"""The live page of a store, for a browser on this machine."""
