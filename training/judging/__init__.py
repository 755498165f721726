"""How good an adapter is: held-out loss, likeness, the gate, the report."""
