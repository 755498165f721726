"""Fast paths: which kernel runs, checked against the layers as written."""
