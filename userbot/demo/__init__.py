"""Show the whole product offline: an example export, a scripted friend, a loopback server."""
