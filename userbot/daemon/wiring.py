"""Implementations chosen, and settings translated into plain values."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from userbot.config.settings import ReplySettings, Settings
from userbot.domain.prompt_rules import CustomPattern
from userbot.domain.sampling import Sampling
from userbot.generator import Generator
from userbot.generator.address import check_address
from userbot.generator.failover import FailoverGenerator
from userbot.generator.llama_cpp import LlamaCppGenerator, is_quicker
from userbot.generator.local import LocalGenerator
from userbot.generator.model_server import TRIES
from userbot.generator.prompt_encoder import load_encoder
from userbot.generator.remote import RemoteGenerator
from userbot.generator.suspendable import SuspendableGenerator
from userbot.reply.answering import ReplyConfig
from userbot.reply.pacing import Pace
from userbot.reply.policy import Rules
from userbot.reply.privacy import PrivacyGuard
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.telegram.session import ClientOptions
from userbot.trust.disclosure import DisclosureIndex
from userbot.trust.opt_out import OptOuts

log = logging.getLogger(__name__)


async def load_generator(settings: Settings, shelf: AdapterShelf) -> Generator:
    """Make the generator that the settings name, with the active adapter.

    A model in this process is suspendable where the settings say that the GPU may be too small for it and training.

    Args:
        settings: All of them.
        shelf: Where adapters are, and which one is active.

    Returns:
        A generator that is ready to write.

    Raises:
        AdapterError: The active adapter can't be used.
        ConfigError: The address of a model server can't be used.
        MissingExtraError: The packages for local models are not installed.
    """
    if settings.generator.kind == "remote" or settings.schedule.gpu_free_mb is None:
        return await _load(settings, shelf)
    return SuspendableGenerator(lambda: _load(settings, shelf), await _load(settings, shelf))


async def _load(settings: Settings, shelf: AdapterShelf) -> Generator:
    manifest = shelf.active()
    adapter_id, models = manifest.id if manifest else None, settings.paths.models
    if settings.generator.kind == "remote":
        return _connect(settings, shelf, adapter_id)
    if adapter_id is not None:
        shelf.verify(adapter_id)
    base = settings.base or (manifest.base if manifest else None)
    kind = settings.generator.kind
    if kind == "auto":
        kind = "llamacpp" if await asyncio.to_thread(is_quicker, base, models=models) else "local"
    log.info("replies are written by %s", "llama.cpp" if kind == "llamacpp" else "the model in this process")
    if kind == "llamacpp":
        return await LlamaCppGenerator.load(
            base=base,
            adapter_id=adapter_id,
            shelf=shelf,
            models=models,
            sampling=make_sampling(settings.reply),
            load_encoder=partial(load_encoder, models=models),
            gguf=settings.generator.gguf,
        )
    return await LocalGenerator.load(
        base=base,
        adapter_id=adapter_id,
        shelf=shelf,
        models=models,
        load_in_4bit=settings.generator.load_in_4bit,
        engine=settings.generator.engine,
        sampling=make_sampling(settings.reply),
    )


def _connect(settings: Settings, shelf: AdapterShelf, adapter_id: str | None) -> Generator:
    """Return a generator for the remote servers; none of them is asked for anything yet.

    Raises:
        ConfigError: What is sent to one of them could be read on its way.
    """
    chosen = settings.generator
    urls = (chosen.url, *chosen.fallback_urls)
    hosts = [check_address(url, plain_http_in_lan=settings.trust.plain_http_in_lan) for url in urls]
    for host in dict.fromkeys(host for host in hosts if host is not None):
        log.warning("the words of answered chats leave this machine: prompts go to the model server %s", host)
    servers = [
        RemoteGenerator(
            url=url,
            shelf=shelf,
            adapter_id=adapter_id,
            base=settings.base,
            sampling=make_sampling(settings.reply),
            load_encoder=partial(load_encoder, models=settings.paths.models),
            api_key=chosen.api_key.get_secret_value() if chosen.api_key else None,
            timeout_s=chosen.timeout_s,
            # With another server to turn to, the next one is tried sooner than the same one again.
            tries=1 if len(urls) > 1 else TRIES,
            adapters_folder=chosen.adapters_folder,
            allow_bare_base=chosen.bare_base,
        )
        for url in urls
    ]
    return FailoverGenerator(servers) if len(servers) > 1 else servers[0]


def make_sampling(reply: ReplySettings) -> Sampling:
    """Say how replies are drawn."""
    return Sampling(
        temperature=reply.temperature,
        top_p=reply.top_p,
        repetition_penalty=reply.repetition_penalty,
        max_new_tokens=reply.max_new_tokens,
        max_prompt_tokens=reply.context_tokens,
    )


def make_reply_config(settings: Settings) -> ReplyConfig:
    """Translate the settings of the reply path, the only place where their defaults stand, into plain values."""
    reply = settings.reply
    rules = Rules(
        stale_s=reply.stale_s,
        per_chat_per_hour=reply.per_chat_per_hour,
        per_day=reply.per_day,
        chat_share=reply.chat_share,
        max_without_owner=reply.max_without_owner,
        quiet_hours=reply.quiet_hours,
        zone=settings.zone,
        only_offline_s=None if reply.only_offline_min is None else reply.only_offline_min * 60,
    )
    return ReplyConfig(
        quiet_s=reply.quiet_s,
        burst_max_s=reply.burst_max_s,
        takeover_s=reply.takeover_s,
        context_messages=reply.context_messages,
        rules=rules,
        pace=Pace(scale=reply.pace, typing_cps=reply.typing_cps),
        introduction=settings.trust.introduction,
        findings_until_draft=settings.trust.findings_until_draft,
    )


def make_opt_outs(settings: Settings, store: Store) -> OptOuts:
    """Say how a contact's wish for no bot is known and confirmed."""
    trust = settings.trust
    return OptOuts(store, patterns=trust.opt_out_patterns, confirmation=trust.opt_out_confirmation)


def make_privacy_guard(settings: Settings, index: DisclosureIndex) -> PrivacyGuard | None:
    """Make what looks through replies for secrets; None where the owner switched it off."""
    if not settings.trust.guard:
        return None
    own = (settings.train.get("data") or {}).get("patterns") or {}  # the same that training masks
    patterns = [CustomPattern(name, pattern) for name, pattern in own.items()]
    return PrivacyGuard(index, together=settings.trust.guard_replies, patterns=patterns)


def make_telegram_options(settings: Settings) -> ClientOptions:
    """Say how to reach Telegram."""
    telegram = settings.telegram
    return ClientOptions(
        session=settings.paths.session,
        api_id=telegram.api_id,
        api_hash=telegram.api_hash.get_secret_value() if telegram.api_hash else None,
        device_model=telegram.device_model,
        proxy=telegram.proxy,
        endpoint_file=telegram.endpoint_file,
    )
