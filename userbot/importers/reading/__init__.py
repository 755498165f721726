"""What the readers of all formats share: files and archives, streamed JSON, names, and what a reader yields."""
