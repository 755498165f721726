"""The background service: wiring, tasks, the owner's commands, status, scheduled jobs."""
