"""The training loop and all it needs: which runs share a program, their progress, checkpoints."""
