"""Keys and tokens of services, private keys, seed phrases; and addresses of wallets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from userbot.domain.placeholders import Masked
from userbot.trust.detectors.finding import Finding, Source

_TOKEN = re.compile(r"[A-Za-z0-9_\-./+=:]{16,}")

_PLUGINS = (
    ("artifactory", "ArtifactoryDetector"), ("aws", "AWSKeyDetector"), ("azure_storage_key", "AzureStorageKeyDetector"),
    ("discord", "DiscordBotTokenDetector"), ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"), ("jwt", "JwtTokenDetector"), ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"), ("openai", "OpenAIDetector"), ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"), ("slack", "SlackDetector"), ("square_oauth", "SquareOAuthDetector"),
    ("stripe", "StripeDetector"), ("telegram_token", "TelegramBotTokenDetector"), ("twilio", "TwilioKeyDetector"),
)  # fmt: skip
"""Modules and classes of detect-secrets; those that judge by entropy or by a word beside it are left out."""

_KNOWN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)"
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|whsec|sess|key|api|ak|sk-ant|sk-proj|sk-or|gsk|xai|hf|r8|pat|lin_api|secret"
    r"|dop_v1|shpat|"
    r"shpss|nvapi|phc|ntn|tvly|fc|re|live|test|figd|figma|dckr_pat|glsa|vercel|pk_live|sk_live|sk_test"
    r"|rk_live)[-_][A-Za-z0-9_\-]{16,}"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|xapp-|AIza|ya29\.|EAA[A-Za-z]|AKIA|ASIA"
    r"|SG\.|npm_|hf_|y0_|t1\.|AQVN|"
    r"AQAAAA|vk1\.a\.|1//0|dp\.pt\.|GOCSPX-|PMAK-|rnd_|sntrys_)[A-Za-z0-9_\-.=]{10,}"
    r"|(?<!\d)\d{8,10}:[A-Za-z0-9_-]{32,37}(?![A-Za-z0-9_-])"
    r"|(?<![A-Za-z0-9])(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}(?![A-Za-z0-9-])"
    r"|eyJ[A-Za-z0-9_-]{8,}\.(?:eyJ)?[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r"|(?<![A-Za-z0-9])xprv[A-Za-z0-9]{50,}|(?<![A-Za-z0-9])[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?![A-Za-z0-9])"
)
_KEY_WORD = re.compile(
    r"ключ\w*|токен\w*|token|api[ _-]?key|\bkey\b|secret|секрет\w*|api[ _-]?hash|апи\b|\bapi\b|credential"
    r"|bearer|backup codes?|recovery|"
    r"2fa|totp|authenticator|аутентификатор|резервн\w+ код\w*|лиценз\w*|licen[cs]e|serial|webhook|private"
    r"|приватн\w*|access|"
    r"env\b|_key|_token|_secret|креды|session string|сесси\w*|подпис\w*|hmac|salt|ssh|wireguard|recover|bot\b|бот\w*"
)
_NO_KEY_WORD = re.compile(
    r"commit|коммит|\bsha\b|checksum|контрольн|хеш сумм|md5|hash of|build|трек|track|txid|транзакц|\btx\b"
    r"|transaction|uuid|public key|публичн\w+ ключ|открыт\w+ ключ"
)
_AFTER_KEY_WORD = re.compile(
    r"(?<![A-Za-z0-9_\-./@])(?=[A-Za-z0-9_\-+/=.]*\d)(?=[A-Za-z0-9_\-+/=.]*[A-Za-z])[A-Za-z0-9_\-+/=.]{16,}"
)
_PAIRS = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{4,6}-){2,7}[A-Za-z0-9]{4,6}(?![A-Za-z0-9-])")
_BASE32 = re.compile(
    r"(?<![A-Za-z0-9])[A-Z2-7]{16,64}(?![A-Za-z0-9])|(?<![A-Za-z0-9])(?:[A-Za-z2-7]{4} ){3,}[A-Za-z2-7]{4}"
    r"(?![A-Za-z0-9])"
)

_SEED_WORD = re.compile(
    r"сид\b|сид-|сидк|сид ?фраз|seed|мнемон|mnemonic|recovery phrase|secret phrase|фраз\w* восстановл"
    r"|секретн\w+ фраз|12 слов|24 слова|12 words|24 words|backup phrase|seedphrase|сидфраз|восстановлени"
)
_SEED_RUN = re.compile(
    r"(?<![a-z])(?:\d{1,2}[.)]? ?)?[a-z]{3,8}(?:[ ,\n\t]+(?:\d{1,2}[.)]? ?)?[a-z]{3,8}){10,23}(?![a-z])"
)
_RUSSIAN_SEED_RUN = re.compile(r"(?<=[:\n—-])\s*[a-z]{3,8}(?: [a-z]{3,8}){5,}")

_WALLETS = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{25,60}|ltc1[02-9ac-hj-np-z]{25,60}"
    r"|T[1-9A-HJ-NP-Za-km-z]{33}|"
    r"(?:EQ|UQ|kQ|0Q)[A-Za-z0-9_-]{46}|[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}|addr1[a-z0-9]{50,}|cosmos1[a-z0-9]{38}|"
    r"(?:bnb1|ronin:|xdc)[a-z0-9]{38,40}|tb1[02-9ac-hj-np-z]{25,60}|(?:bitcoincash:)?q[a-z0-9]{41}|"
    r"[13][1-9A-HJ-NP-Za-km-z]{25,34}|[LMD][1-9A-HJ-NP-Za-km-z]{26,33}|r[1-9A-HJ-NP-Za-km-z]{24,34}"
    r"|t1[1-9A-HJ-NP-Za-km-z]{33}|"
    r"[1-9A-HJ-NP-Za-km-z]{43,44}|G[A-Z2-7]{55})(?![A-Za-z0-9])"
)
_WALLET_WORD = re.compile(
    r"кошел|wallet|адрес|address|btc|бтк|биток|биткоин|битк|bitcoin|eth|эфир|usdt|юсдт|trc|erc|bep|\bton\b"
    r"|\bтон\b|\bsol\b|solana|солан|солян|крипт|crypto|ltc|лайт|doge|доге|xrp|ripple|tron|трон|monero|xmr"
    r"|донат|donat|usdc|phantom|trust|metamask|метамаск|закин|скин|send|переве"
)
_WEBMONEY = re.compile(r"(?<![a-z0-9])[zrexuрз] ?\d{12}(?!\d)")
_FOR_SURE = ("0x", "bc1", "ltc1", "EQ", "UQ", "addr1", "cosmos1", "bnb1", "ronin:", "bitcoincash:")


def find_secret_keys(source: Source) -> Iterator[Finding]:
    """Yield keys and tokens by their forms, long random words beside a word such as `token`, and seed phrases."""
    text, low = source.text, source.low
    yield from _find_seeds(low)
    if _TOKEN.search(text) is None and _PAIRS.search(text) is None and _BASE32.search(text) is None:
        return
    for match in _KNOWN.finditer(text):
        if _has_digit_or_case(match.group()):
            yield Finding(*match.span(), Masked.SECRET_KEY)
    for pattern in _load_patterns():
        for match in pattern.finditer(text):
            yield Finding(*match.span(), Masked.SECRET_KEY)
    if _KEY_WORD.search(low) and not _NO_KEY_WORD.search(low) and "://" not in low:
        for pattern in (_AFTER_KEY_WORD, _PAIRS, _BASE32):
            for match in pattern.finditer(text):
                if _is_random(match.group()):
                    yield Finding(*match.span(), Masked.SECRET_KEY)


def find_wallets(source: Source) -> Iterator[Finding]:
    """Yield addresses of wallets; those whose form others share need a word beside them or check digits."""
    text, low = source.text, source.low
    if "кошел" in low or "webmoney" in low or "вебмани" in low or "wmz" in low or "wmr" in low:
        for match in _WEBMONEY.finditer(low):
            yield Finding(*match.span(), Masked.WALLET)
    if _TOKEN.search(text) is None:
        return
    named = _WALLET_WORD.search(low) is not None
    for match in _WALLETS.finditer(text):
        word = match.group()
        if word.startswith(_FOR_SURE) or (named and any(map(str.isdigit, word))) or _is_bitcoin(word):
            yield Finding(*match.span(), Masked.WALLET)


def _is_bitcoin(word: str) -> bool:
    from stdnum import bitcoin

    return bool(bitcoin.is_valid(word))


def _has_digit_or_case(word: str) -> bool:
    return any(map(str.isdigit, word)) or (not word.islower() and not word.isupper())


def _is_random(word: str) -> bool:
    """Return whether a word mixes digits and letters as no name does: `q8fJ2kLm…`, not `release-2024-final`."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
    mixed = any(map(str.islower, word)) and any(map(str.isupper, word))
    return changes >= 3 or (mixed and changes >= 1) or (word.isupper() and " " not in word and len(word) >= 16)


def _find_seeds(low: str) -> Iterator[Finding]:
    named = _SEED_WORD.search(low) is not None
    for match in _SEED_RUN.finditer(low):
        words = re.findall(r"[a-z]+", match.group())
        known = _load_seed_words()
        if sum(word in known for word in words) >= len(words) * (0.6 if named else 0.95):
            yield Finding(*match.span(), Masked.SECRET_KEY)
    if named:
        for match in _RUSSIAN_SEED_RUN.finditer(low):
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            yield Finding(start, match.end(), Masked.SECRET_KEY)


@cache
def _load_patterns() -> tuple[re.Pattern[str], ...]:
    from importlib import import_module

    plugins = (getattr(import_module(f"detect_secrets.plugins.{name}"), kind) for name, kind in _PLUGINS)
    return tuple(pattern for plugin in plugins for pattern in plugin.denylist)


@cache
def _load_seed_words() -> frozenset[str]:
    from mnemonic import Mnemonic

    return frozenset(Mnemonic("english").wordlist)
