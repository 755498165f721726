"""The training under way, waiting, or last, in a line for `clone status`."""

from __future__ import annotations

from userbot.store import Store
from userbot.store.facts import RETRAIN_WISH, TRAINING

UNDER_WAY = ("training", "judging")


def describe_training(store: Store) -> str | None:
    """Describe the last or the waiting training in a line; None where there was none."""
    wish, last = store.facts.get(RETRAIN_WISH), store.facts.get(TRAINING)
    if wish is not None and (last is None or last.state not in UNDER_WAY):
        return f"Training waits ({wish.reason})" + (f": {wish.waits}" if wish.waits else "")
    if last is None:
        return None
    if last.state == "training" and last.total:
        loss = f", loss {last.loss:.3f} nats a token" if last.loss is not None else ""
        left = f", {last.eta_s / 60:.0f} min left" if last.eta_s else ""
        return f"Training: update {last.step} of {last.total}{loss}{left}"
    if last.state == "judging":
        return f"Training: adapter {last.adapter_id} is at the gate"
    return f"Training: {last.state}" + (f": {last.text}" if last.text else "")
