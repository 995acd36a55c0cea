"""The parts of `allometry.fit`: rows, objectives, the batched solver, resamples, the document."""
