"""What the store knows of the last training and of the next; read by `clone status`."""

from __future__ import annotations

from typing import Any

from userbot.store import Store

TRAINING = "training"
WANTED = "retrain_wanted"
SEEN_AT = "retrain_seen_at"

UNDER_WAY = ("training", "judging")


def read_training(store: Store) -> dict[str, Any]:
    """Return what is known of the last training: `state`, `reason`, `step`, `total`, `loss`, `eta_s`, `text`, …"""
    found: dict[str, Any] = store.facts.get(TRAINING) or {}
    return found


def describe_training(store: Store) -> str | None:
    """Describe the last or the waiting training in a line for `clone status`; None where there was none."""
    wish = store.facts.get(WANTED)
    found = read_training(store)
    if wish is not None and found.get("state") not in UNDER_WAY:
        return f"Training waits ({wish['reason']})" + (f": {wish['waits']}" if "waits" in wish else "")
    if not found:
        return None
    state = found["state"]
    if state == "training" and found.get("total"):
        loss = f", loss {found['loss']:.3f} nats a token" if "loss" in found else ""
        left = f", {found['eta_s'] / 60:.0f} min left" if found.get("eta_s") else ""
        return f"Training: update {found['step']} of {found['total']}{loss}{left}"
    if state == "judging":
        return f"Training: adapter {found['adapter_id']} is at the gate"
    return f"Training: {state}" + (f": {found['text']}" if found.get("text") else "")
