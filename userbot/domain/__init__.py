"""Values and pure functions that every part shares; imports nothing of the rest."""
