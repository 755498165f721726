"""Retraining beside the daemon: when, in which process, and whether its result may stay."""
