"""Fitting laws to tables: rows, objectives, the batched solver, resamples, the document."""
