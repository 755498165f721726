"""The training itself: base models, rows, attention, the loop, checkpoints, estimates, fast paths on a GPU."""
