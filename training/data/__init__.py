"""From the store to samples, and from samples to token ids: one renderer for training and serving."""
