"""The daemon and the command line. Importing this package never imports torch."""
