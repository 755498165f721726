"""What the readers of all formats share: files and archives, JSON as a stream, names, and what a reader yields."""
