"""Language models at several budgets of compute, and a larger one predicted beforehand."""
