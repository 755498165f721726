"""Learning from the store: data set, rendering, training, inference. Light to import: torch is loaded on use."""
