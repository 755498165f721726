"""Fast paths: which implementation of attention, linear layers and whole decoder layers runs on this device.

Each is checked on the loaded model against the layers as transformers and peft run them, and left out where it differs.
"""
