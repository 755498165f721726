"""Settings: the only reader of the environment, but for the passphrase's, and of `.env` files.

Order, later wins: defaults, `<home>/.env`, environment variables `CLONE_…`, flags of a command. A `.env` in the current
folder is not read: it may be somebody else's, and settings say where chats are sent.
"""

from __future__ import annotations

import os
import re
import warnings
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from userbot.config.cron import read_cron
from userbot.config.explain import explain
from userbot.config.former_names import FormerNameWarning, accept_former_names, name_variable
from userbot.config.home import DEFAULT_HOME, HomePaths
from userbot.config.passphrase import KEYS
from userbot.domain.errors import ConfigError
from userbot.domain.hours import Hours
from userbot.domain.sampling import Sampling

FORMER_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("reply", "zone"): ("zone",),
    ("schedule", "go_on"): ("schedule", "continue_from_active"),
}
"""Settings that were renamed: the former path of names, and today's."""


def _read_hours(value: Any) -> Any:
    if isinstance(value, str):
        return Hours.parse(value) if value.strip() else None
    return value


def _read_zone(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{value!r} is not a time zone; write it like Europe/Berlin") from None


def _read_words(value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_read_words)]
OptionalHours = Annotated[Hours | None, BeforeValidator(_read_hours)]
OptionalZone = Annotated[ZoneInfo | None, BeforeValidator(_read_zone)]


_SAMPLING = Sampling()


class TelegramSettings(BaseModel):
    """How the program logs in to Telegram."""

    api_id: int | None = Field(None, description="Your own api_id from my.telegram.org/apps")
    api_hash: SecretStr | None = Field(None, description="The api_hash beside it; a secret")
    device_model: str = Field("telegram-clone", description="Name in Telegram's list of devices; keep it stable")
    proxy: str | None = Field(None, description="socks5://host:port or http://host:port; needs the extra `proxy`")
    endpoint_file: Path | None = Field(None, description="A loopback Telegram server to use instead (tests, demo)")


class ReplySettings(BaseModel):
    """When and how the clone answers."""

    quiet_s: float = Field(7.0, ge=0, description="Seconds of silence that end a contact's burst")
    burst_max_s: float = Field(45.0, ge=0, description="Longest wait for the end of a burst, seconds")
    stale_s: float = Field(3600.0, ge=0, description="Messages older than this are read into the store, not answered")
    takeover_s: float = Field(1800.0, ge=0, description="Pause of a chat after you wrote there yourself, seconds")
    context_messages: int = Field(60, ge=1, description="Messages of the chat that the model may see")
    context_tokens: int = Field(
        _SAMPLING.max_prompt_tokens, ge=64, description="Tokens of the prompt; whole turns, newest kept"
    )
    max_new_tokens: int = Field(_SAMPLING.max_new_tokens, ge=1, description="Longest answer, tokens")
    temperature: float = Field(
        _SAMPLING.temperature, ge=0, description="0 always takes the most likely word; higher is livelier"
    )
    top_p: float = Field(_SAMPLING.top_p, gt=0, le=1, description="Share of probability that words are sampled from")
    repetition_penalty: float = Field(
        _SAMPLING.repetition_penalty, ge=1, description="Above 1 makes the model repeat itself less"
    )
    per_chat_per_hour: int = Field(
        30, ge=0, description="Most answers to one chat in an hour; each that the model writes counts, sent or not"
    )
    per_day: int = Field(300, ge=0, description="Most answers in a day, all chats together")
    chat_share: float = Field(0.5, gt=0, le=1, description="Most of them that one chat may take, as a share; 1: all")
    max_without_owner: int = Field(20, ge=1, description="Replies to one chat after which the owner must write first")
    typing_cps: float = Field(7.0, gt=0, description="Typing speed, characters per second, until yours is measured")
    pace: float = Field(1.0, ge=0, description="Scale of all human-like waits; 0 answers at once")
    quiet_hours: OptionalHours = Field(None, description="No answers in these hours, such as 23:00-08:00")
    only_offline_min: float | None = Field(None, ge=0, description="Answer only after you were offline so many minutes")


class GeneratorSettings(BaseModel):
    """Where answers come from."""

    kind: Literal["auto", "local", "llamacpp", "remote"] = Field(
        "auto",
        description="local: in this process; llamacpp: llama.cpp beside it, quicker without a GPU; remote: an "
        "OpenAI-compatible server; auto: llamacpp where it is installed and there is no GPU, else local",
    )
    gguf: Path | None = Field(
        None, description="llamacpp: the base as a GGUF file, such as a quantised download; empty: converted once"
    )
    load_in_4bit: bool = Field(True, description="Load the base in 4 bit (NF4)")
    engine: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Generate replies of several chats together. auto: on a GPU; on: on a CPU too; off: one by one",
    )
    url: str = Field("http://127.0.0.1:8000/v1", description="Address of the remote server")
    fallback_urls: Words = Field(
        (), description="Further servers, with the same key and adapters, for while one fails; blanks between them"
    )
    api_key: SecretStr | None = Field(None, description="Its key; a secret")
    adapters_folder: str | None = Field(
        None,
        description="Where the remote server itself finds <home>/adapters, to load new adapters from; empty: there",
    )
    bare_base: bool = Field(False, description="Let a remote base without an adapter answer, which is nobody's clone")
    timeout_s: float = Field(120.0, gt=0, description="Longest wait for a remote answer, seconds")


class ScheduleSettings(BaseModel):
    """When the daemon retrains, backs up and deletes, and what it keeps."""

    retrain_cron: str | None = Field(
        None, description="Retrain at these times, such as 0 3 * * 0; empty: not by the clock"
    )
    retrain_turns: int | None = Field(
        None, ge=1, description="Retrain after so many new turns of yours; empty: not by their number"
    )
    hours: OptionalHours = Field(None, description="Start to retrain in these hours only, such as 01:00-06:00")
    only_on_ac: bool = Field(False, description="Retrain on mains power only")
    only_idle_gpu: bool = Field(False, description="Retrain only while nothing else uses the GPU")
    gpu_free_mb: int | None = Field(
        None, ge=1, description="Suspend the clone and unload its model while training if less GPU memory is free, MiB"
    )
    continue_from_active: bool = Field(
        False,
        description="Continue from the active adapter, with older samples replayed",
    )
    nice: int = Field(10, ge=0, le=19, description="How much training yields to other programs, 0 to 19")
    check_s: float = Field(300.0, gt=0, description="How often to look whether it is time to retrain, seconds")
    watch_replies: int = Field(
        40, ge=1, description="Replies of a new adapter after which it is compared with the last"
    )
    prune_cron: str | None = Field("30 4 * * *", description="When to delete old adapters and runs; empty: never")
    keep_last: int = Field(5, ge=1, description="Adapters to keep, beside the active one and the one before it")
    adapters_mb: int | None = Field(None, ge=1, description="Disk space for adapters, MiB; the oldest go first")
    backup_cron: str | None = Field("0 4 * * *", description="When to back up the database; empty: never")
    keep_backups: int = Field(7, ge=1, description="Backups to keep")

    @field_validator("retrain_cron", "prune_cron", "backup_cron")
    @classmethod
    def _check_cron(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        return value if read_cron(value) else None


class TrustSettings(BaseModel):
    """What keeps secrets apart, and what a contact may ask for."""

    guard: bool = Field(True, description="Withhold answers that say what only other chats hold, or a private value")
    guard_replies: int = Field(8, ge=1, description="Answers judged together, as a secret may come in pieces")
    findings_until_draft: int = Field(
        3, ge=0, description="Answers withheld in a day after which a chat gets drafts only; 0: never"
    )
    keep_days: int | None = Field(
        None, ge=1, description="Delete messages, answers, samples and backups older than so many days; empty: keep all"
    )
    plain_http_in_lan: bool = Field(
        False,
        description="Let prompts and the key go unencrypted, by http, to a model server with a private address, where "
        "whoever shares the network can read them",
    )

    introduction: str | None = Field(
        None,
        max_length=500,
        description="What the first automatic answer in each chat begins with, such as: A program helps me. "
        "Empty: nothing",
    )
    opt_out_patterns: tuple[str, ...] = Field(
        (), description='Further words of a contact that turn answers off: regular expressions, as ["no robots"]'
    )
    opt_out_confirmation: str = Field(
        "OK, no automatic answers any more. / Хорошо, автоматических ответов больше не будет.",
        min_length=1,
        max_length=500,
        description="The one sentence that a contact gets who asked for no bot",
    )

    @field_validator("opt_out_patterns")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                broken = re.compile(pattern).search("") is not None
            except re.error as exc:
                raise ValueError(f"{pattern!r} is no regular expression: {exc}") from None
            if broken:
                raise ValueError(f"{pattern!r} matches every message")
        return value


class HealthSettings(BaseModel):
    """Health endpoint of the daemon, on the loopback interface only."""

    port: int | None = Field(None, ge=0, le=65535, description="Port of /health and /metrics on 127.0.0.1; empty: none")


class Settings(BaseSettings):
    """Everything that can be configured. Each field is also an environment variable, with `__` between levels."""

    model_config = SettingsConfigDict(
        env_prefix="CLONE_", env_nested_delimiter="__", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    home: Path = Field(DEFAULT_HOME, description="Folder of the database, the session and the adapters")
    log_format: Literal["human", "json"] = Field("human", description="Form of the daemon's log")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much the daemon logs")
    zone: OptionalZone = Field(
        None, description="Time zone of quiet hours and schedules, such as Europe/Berlin; default the machine's"
    )
    passphrase_file: Path | None = Field(
        None, description="File with the passphrase of an encrypted home (0600); empty: a credential, or ask"
    )
    base: str | None = Field(
        None,
        description="Base model: tiny, a hub name or a folder; default Mistral-7B-Instruct-v0.3, tiny without CUDA",
    )
    train: dict[str, Any] = Field(
        default_factory=dict, description="Overrides of training/config.py, such as CLONE_TRAIN__EPOCHS=2"
    )
    telegram: TelegramSettings = TelegramSettings()  # type: ignore[call-arg]  # every field has a default
    reply: ReplySettings = ReplySettings()  # type: ignore[call-arg]  # every field has a default
    generator: GeneratorSettings = GeneratorSettings()  # type: ignore[call-arg]  # every field has a default
    schedule: ScheduleSettings = ScheduleSettings()  # type: ignore[call-arg]  # every field has a default
    trust: TrustSettings = TrustSettings()  # type: ignore[call-arg]  # every field has a default
    health: HealthSettings = HealthSettings()  # type: ignore[call-arg]  # every field has a default

    @field_validator("home")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def paths(self) -> HomePaths:
        """Return where everything under the home folder lies."""
        return HomePaths(self.home)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return lines for the owner about settings that were given under former names."""
        return self._notes

    _notes: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, values: Any) -> Any:
        return accept_former_names(values, FORMER_NAMES) if isinstance(values, dict) else values


def find_home(home: Path | None = None) -> Path:
    """Return the home folder whose `.env` is read: the one given, else that of `CLONE_HOME`, else the default."""
    return (home or Path(os.environ.get("CLONE_HOME") or DEFAULT_HOME)).expanduser().absolute()


def load_settings(home: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        home: Folder to use instead of `CLONE_HOME` and the default.
        overrides: Values that win over everything else.

    Returns:
        The settings; their `notes` name settings that were given under former names.

    Raises:
        ConfigError: A value is wrong; the text names the variable, never the value of a secret.
    """
    paths = HomePaths(find_home(home))
    if home is not None:
        overrides["home"] = home
    try:
        with warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("always", FormerNameWarning)
            settings = Settings(_env_file=paths.env_file, **overrides)  # type: ignore[call-arg]  # pydantic-settings takes it
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        name = name_variable(first["loc"])
        former = "".join(f" {warning.message}" for warning in recorded if f" {name} now" in str(warning.message))
        raise ConfigError(
            f"{name}: {explain(first, Settings)}. Set it in {paths.env_file} or in the environment; "
            f".env.example lists every setting.{former}"
        ) from None
    except SettingsError as exc:
        raise ConfigError(
            f"A CLONE_… variable holds broken JSON: {exc.__cause__}. .env.example shows the form."
        ) from None
    KEYS.file = settings.passphrase_file
    settings._notes = tuple(str(warning.message) for warning in recorded)
    return settings


def write_example() -> str:
    """Return the text of `.env.example`: every setting, its default and what it means."""
    lines = [
        "# Settings of telegram-clone. Copy to ~/.telegram-clone/.env, uncomment what you change, keep it private."
    ]
    lines += _describe(Settings, "CLONE_")
    return "\n".join(lines) + "\n"


def _describe(model: type[BaseModel], prefix: str) -> list[str]:
    lines: list[str] = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            doc = (type(default).__doc__ or "").strip().splitlines()[0]
            lines += ["", f"# --- {doc}", *_describe(type(default), f"{prefix}{name.upper()}__")]
            continue
        shown = "" if default in (None, {}, ()) else str(default.value if isinstance(default, Enum) else default)
        lines += [f"# {field.description}", f"#{prefix}{name.upper()}={shown}"]
    return lines


if __name__ == "__main__":
    print(write_example(), end="")  # noqa: T201  # this is how .env.example is made
