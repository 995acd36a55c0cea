"""Further questions of a plan: inference, limited data, money, counts, recipes, held-out runs."""
