"""A loaded clone that continues conversations."""
