"""The training loop: batches, loss, optimiser, checkpoints, throughput, and the session that holds a model."""
