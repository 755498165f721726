"""`python -m userbot` is `clone`."""

from userbot.cli import main

main()
