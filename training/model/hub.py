"""The client of the Hugging Face hub: no long retries while it is unreachable, progress bars for downloads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tenacity import Retrying, stop_after_delay, wait_fixed

PATIENCE_S = 2.0
_PAUSE_S = 1.0
_TIMEOUT_S = 5.0


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Set the client's own offline mode while the hub can't be reached: it takes what was fetched before, or gives up.

    Otherwise it tries six times for each file that it lacks, with pauses of 23 s in all and a log line for each try.
    That is right for a download that is under way, and stays so.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or is_hub_unreachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@cache
def is_hub_unreachable() -> bool:
    """Tell whether the hub can't be reached: asked once per process, and for PATIENCE_S, as networks come and go."""
    from huggingface_hub import constants, get_session

    retrying = Retrying(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(_PAUSE_S), reraise=True)
    try:
        retrying(get_session().head, constants.ENDPOINT, timeout=_TIMEOUT_S)
    except Exception:  # which ones they are depends on the client's version, and all mean that no answer came
        return True
    return False


def hide_loading_bars() -> None:
    """Hide the progress bars of reading files and keep those of downloads, which transformers hides with them."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    shown = not are_progress_bars_disabled()
    logging.disable_progress_bar()
    if shown:
        enable_progress_bars()
