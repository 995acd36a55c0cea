"""The page that shows a study: findings, figures, fits and runs in one file."""
