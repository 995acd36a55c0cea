"""Language models at several budgets of compute, and a larger one predicted before it is trained."""
