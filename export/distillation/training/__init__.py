"""The training loop, with its losses, checkpoints and progress."""
