"""The demo: the whole product offline, with an example export, a scripted friend and a loopback server."""
