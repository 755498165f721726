"""A loaded clone that continues conversations: adapter slot, generation, stopping."""
