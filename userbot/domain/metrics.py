"""Metrics of the running daemon, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

STATES = (
    "starting",
    "connecting",
    "catching up",
    "connected",
    "disconnected",
    "needs login",
    "session lost",
    "stopped",
    "failed",
)
"""States of the daemon that the metric `clone_state` knows."""


class Metrics:
    """What the daemon counts and measures. Each has a registry of its own, so that two in one process don't collide.

    Names on the page /metrics begin with `clone_`; times are in seconds.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter("clone_messages", "Messages stored, by origin", ["origin"], registry=self.registry)
        self.ignored = Counter("clone_ignored_messages", "Messages of chats not allowed", registry=self.registry)
        self.decisions = Counter("clone_decisions", "Decisions on bursts, by state", ["state"], registry=self.registry)
        self.sent = Counter("clone_sent_bubbles", "Bubbles delivered", registry=self.registry)
        self.flood_s = Counter("clone_flood_seconds", "Seconds that Telegram asked to wait", registry=self.registry)
        self.retries = Counter(
            "clone_guard_retries",
            "Replies generated again",
            registry=self.registry,
        )
        self.withheld = Counter(
            "clone_withheld_replies", "Replies withheld for what they held, by kind", ["kind"], registry=self.registry
        )
        self.guard_s = Histogram(
            "clone_guard_seconds",
            "Seconds to judge what a reply gives away",
            buckets=(0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1),
            registry=self.registry,
        )
        self.generation_s = Histogram(
            "clone_generation_seconds",
            "Seconds to generate a reply",
            buckets=(0.1, 0.3, 1, 2, 5, 10, 20, 40, 80),
            registry=self.registry,
        )
        self.tokens = Counter(
            "clone_tokens", "Tokens of prompts read, and of replies written", ["kind"], registry=self.registry
        )
        self.takeovers = Counter("clone_takeovers", "Takeovers of chats by the owner", registry=self.registry)
        self.errors = Counter("clone_errors", "Unexpected errors, by place", ["place"], registry=self.registry)
        self.queue = Gauge("clone_event_queue", "Events waiting to be handled", registry=self.registry)
        self.state = Enum("clone_state", "State of the daemon", states=list(STATES), registry=self.registry)
