"""Wiring: settings become plain values, and the generator that they name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from adapter_shelf import make_shelf
from fake_openai import FakeOpenAI

from userbot.config.settings import ReplySettings, Settings
from userbot.daemon.wiring import (
    load_generator,
    make_privacy_guard,
    make_reply_config,
    make_sampling,
    make_telegram_options,
)
from userbot.domain.errors import AdapterDamagedError, ConfigError
from userbot.domain.hours import Hours
from userbot.domain.messages import Turn
from userbot.generator import Prompt
from userbot.generator.failover import FailoverGenerator
from userbot.generator.llama_cpp import LlamaCppGenerator
from userbot.generator.local import LocalGenerator
from userbot.generator.remote import RemoteGenerator
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.trust.disclosure import DisclosureIndex


def _settings(home: Path, **values: Any) -> Settings:
    return Settings.model_validate({"home": home, **values})


def test_guard_is_on_by_default_with_the_owner_s_patterns_and_can_be_switched_off(store: Store) -> None:
    index = DisclosureIndex(store.disclosure)
    data = {"patterns": {"project": "orion"}}
    guard = make_privacy_guard(_settings(Path("home"), train={"data": data}), index)
    assert guard is not None and guard.is_ready()
    assert make_privacy_guard(_settings(Path("home"), trust={"guard": False}), index) is None
    assert make_reply_config(_settings(Path("home"), trust={"findings_until_draft": 5})).findings_until_draft == 5


def test_settings_of_the_reply_path_all_arrive() -> None:
    reply = {
        "quiet_s": 1,
        "burst_max_s": 2,
        "stale_s": 3,
        "takeover_s": 4,
        "context_messages": 5,
        "per_chat_per_hour": 6,
        "per_day": 7,
        "max_without_owner": 8,
        "typing_cps": 9,
        "pace": 10,
        "quiet_hours": "23:00-08:00",
        "only_offline_min": 2,
    }
    config = make_reply_config(_settings(Path("home"), reply=reply, zone="Asia/Tbilisi"))
    assert (config.quiet_s, config.burst_max_s, config.takeover_s, config.context_messages) == (1, 2, 4, 5)
    rules = config.rules
    assert (rules.stale_s, rules.per_chat_per_hour, rules.per_day, rules.max_without_owner) == (3, 6, 7, 8)
    assert (rules.quiet_hours, rules.zone, rules.only_offline_s) == (
        Hours.parse("23:00-08:00"),
        ZoneInfo("Asia/Tbilisi"),
        120,
    )
    assert (config.pace.typing_cps, config.pace.scale) == (9, 10)


def test_settings_of_drawing_all_arrive() -> None:
    values = {"temperature": 0.1, "top_p": 0.2, "repetition_penalty": 1.3, "max_new_tokens": 4, "context_tokens": 100}
    sampling = make_sampling(ReplySettings.model_validate(values))
    assert (sampling.temperature, sampling.top_p, sampling.repetition_penalty) == (0.1, 0.2, 1.3)
    assert (sampling.max_new_tokens, sampling.max_prompt_tokens, sampling.seed) == (4, 100, None)


async def test_remote_generator_begins_with_the_active_adapter_and_its_rules(tmp_path: Path) -> None:
    settings = _settings(tmp_path, generator={"kind": "remote"})
    shelf = make_shelf(settings.paths.adapters, a1={"session_gap_h": 2, "system_line": False})
    shelf.activate("a1")
    generator = await load_generator(settings, shelf)
    assert isinstance(generator, RemoteGenerator)
    assert generator.adapter_id == "a1"
    assert (generator.rules.session_gap, generator.rules.system_line) == (timedelta(hours=2), False)
    await generator.close()


async def test_remote_generator_sends_token_ids_where_the_tokenizer_is_here(tmp_path: Path) -> None:
    async with FakeOpenAI(lambda _asked: ("ok", "stop", 0.0), ["a1"], decode=str).running() as server:
        settings = _settings(tmp_path, generator={"kind": "remote", "url": server.url})
        shelf = make_shelf(settings.paths.adapters, a1={})
        shelf.activate("a1")
        generator = await load_generator(settings, shelf)
        await generator.generate(Prompt(turns=(Turn(False, ("hi",)),)))
        await generator.close()
    assert server.paths == ["completions"]


async def test_several_servers_stand_in_for_each_other(tmp_path: Path) -> None:
    async with FakeOpenAI(lambda _asked: ("ok", "stop", 0.0), ["a1"]).running() as server:
        chosen = {
            "kind": "remote",
            "url": "http://127.0.0.1:9/v1",
            "fallback_urls": f"{server.url}, http://127.0.0.1:9",
        }
        settings = _settings(tmp_path, generator=chosen)
        shelf = make_shelf(settings.paths.adapters, a1={})
        shelf.activate("a1")
        generator = await load_generator(settings, shelf)
        assert isinstance(generator, FailoverGenerator)
        assert (await generator.generate(Prompt(turns=(Turn(False, ("hi",)),)))).bubbles == ("ok",)
        await generator.close()


@pytest.mark.parametrize(("kind", "made"), [("auto", LlamaCppGenerator), ("local", LocalGenerator)])
async def test_llama_cpp_writes_where_it_is_installed_and_there_is_no_gpu(
    tmp_path: Path, kind: str, made: type[object]
) -> None:
    pytest.importorskip("xllamacpp")
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    settings = _settings(tmp_path, base="tiny", generator={"kind": kind}, reply={"max_new_tokens": 3})
    generator = await load_generator(settings, AdapterShelf(settings.paths.adapters))
    assert isinstance(generator, made)
    assert (await generator.generate(Prompt(turns=(Turn(False, ("hi",)),)))).new_tokens > 0
    await generator.close()


async def test_damaged_adapter_is_not_loaded(tmp_path: Path) -> None:
    settings = _settings(tmp_path, generator={"kind": "local"})
    shelf = AdapterShelf(settings.paths.adapters)
    make_shelf(settings.paths.adapters, a1={})
    shelf.activate("a1")
    manifest = shelf.path("a1") / "manifest.json"
    manifest.write_text(
        manifest.read_text("utf-8").replace('"files": {}', '"files": {"adapter_model.safetensors": "0"}')
    )
    with pytest.raises(AdapterDamagedError):
        await load_generator(settings, shelf)


def test_telegram_is_reached_as_the_settings_say(tmp_path: Path) -> None:
    settings = _settings(tmp_path, telegram={"api_id": 7, "api_hash": "secret", "proxy": "socks5://127.0.0.1:9"})
    options = make_telegram_options(settings)
    assert (options.session, options.api_id, options.api_hash) == (settings.paths.session, 7, "secret")
    assert (options.proxy, options.endpoint_file) == ("socks5://127.0.0.1:9", None)


@pytest.mark.parametrize("field", ["url", "fallback_urls"])
async def test_prompts_go_to_no_other_machine_unsealed(tmp_path: Path, field: str) -> None:
    settings = _settings(tmp_path, generator={"kind": "remote", field: "http://192.168.1.7/v1", "bare_base": True})
    with pytest.raises(ConfigError, match="everyone on the way could read your chats and the key"):
        await load_generator(settings, AdapterShelf(settings.paths.adapters))
    trusting = settings.model_copy(update={"trust": settings.trust.model_copy(update={"plain_http_in_lan": True})})
    await (await load_generator(trusting, AdapterShelf(settings.paths.adapters))).close()


async def test_host_that_gets_the_words_is_named_once_a_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    urls = "https://vera:pass@models.example/v1 https://models.example:8443/v1"
    settings = _settings(tmp_path, generator={"kind": "remote", "fallback_urls": urls})
    await (await load_generator(settings, AdapterShelf(settings.paths.adapters))).close()
    assert caplog.messages == [
        "the words of answered chats leave this machine: prompts go to the model server models.example"
    ]
