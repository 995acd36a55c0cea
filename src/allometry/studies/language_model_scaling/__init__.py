"""Language models at several compute budgets, and a larger one predicted before its training."""
