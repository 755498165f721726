"""What every process of the program sets before it does anything: private files, and no core dumps."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress

PRIVATE_UMASK = 0o077
"""New files are the owner's alone, whatever the shell, cron or service manager has set."""

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden_process() -> None:
    """Make new files private, and keep memory, which holds messages, the session's key and passphrases, off the disk.

    The limit on core dumps is passed on to child processes. Linux's second flag also stops a crash handler that takes
    dumps through a pipe, which heeds no limit, and other programs of the same user that would attach; each program sets
    it for itself, because the system clears it when a program starts.

    Source: Linux man pages core(5) and prctl(2), PR_SET_DUMPABLE.
    """
    os.umask(PRIVATE_UMASK)
    with suppress(OSError, ValueError):  # a stricter limit, set by a service manager, stays
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library without prctl: the limit alone has to do
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
