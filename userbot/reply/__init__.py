"""The reply path, one step a module; responder.py alone knows their order."""
