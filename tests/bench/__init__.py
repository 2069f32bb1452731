"""What things cost, held against budgets: ratios to a floor that is measured in the same run."""
