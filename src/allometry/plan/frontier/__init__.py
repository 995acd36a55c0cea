"""The least loss at each compute under a law: what a run costs, the best size, wasted compute."""
