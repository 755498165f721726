"""What keeps secrets: consent, masking before training, the disclosure guard at reply time, opt-out, and forgetting."""
