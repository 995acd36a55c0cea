"""From fits to decisions: the size to train at a budget, and the runs to make next."""
