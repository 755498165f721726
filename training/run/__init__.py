"""One training run: from the store to an adapter, for as long as the consents hold."""
