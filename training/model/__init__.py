"""Base models: loading, devices, memory, and a causal language model over packed sequences."""
