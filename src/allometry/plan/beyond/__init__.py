"""Beyond the best size at a compute: inference, data, money, counts, recipes, held-out runs."""
