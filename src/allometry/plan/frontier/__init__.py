"""The least loss at each compute under a law: cost of a run, best size, wasted compute."""
