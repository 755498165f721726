"""The training loop: batches, loss, optimiser, checkpoints, throughput, one session."""
