"""The training loop: which runs share a compiled program, their progress, and checkpoints."""
