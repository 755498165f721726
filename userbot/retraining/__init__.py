"""Retraining beside the daemon: when it starts, in which process it runs, and whether its result is activated."""
