"""Train the embedded base's byte-level BPE tokenizer on a CPU.

python -m tools.tiny.tokenizer --corpus DIR --vocabulary 6144 --out training/tiny
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tools.tiny.corpus import EMOTICONS, Corpus, make_casual, read_corpus

SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]")
MAX_POSITIONS = 1024
# Letters with the space before them, up to three digits, runs of signs (")))" and emoji stay together), newlines.
PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
CHAT_TEMPLATE = """\
{{- bos_token }}
{%- set folded = messages and messages[0]['role'] == 'system' %}
{%- if folded %}{{- '[INST] ' + messages[0]['content'] + '\\n\\n' }}{%- endif %}
{%- for message in (messages[1:] if folded else messages) %}
    {%- if message['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') %}
        {{- raise_exception('After the optional system message, roles must alternate user/assistant/user/...') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- ('' if folded and loop.first else '[INST] ') + message['content'] + '[/INST]' }}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}
"""


def iterate_text(corpus: Corpus) -> Iterator[str]:
    """Yield every training turn as written and as typed in a chat, then enough emoticons to earn merges."""
    rng = random.Random(0)  # noqa: S311 - augmentation needs no cryptography
    for dialogues in corpus.train.values():
        for dialogue in dialogues:
            for turn in dialogue:
                yield f" {turn}"
                yield f" {make_casual(turn, rng)}"
    for emoticon in EMOTICONS:
        for count in (1, 2, 3):
            yield from [f" {emoticon * count}"] * 100


def train_tokenizer(corpus: Corpus, vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer.

    Args:
        corpus: Its training dialogues are read.
        vocabulary: Number of ids, special tokens and all 256 bytes included.

    Returns:
        A tokenizer of transformers with the chat template.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(iterate_text(corpus), trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token="<unk>",  # noqa: S106 - a token of text
        bos_token="<s>",  # noqa: S106 - a token of text
        eos_token="</s>",  # noqa: S106 - a token of text
        pad_token="<pad>",  # noqa: S106 - a token of text
        extra_special_tokens=["[INST]", "[/INST]"],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def main() -> None:
    """Write the tokenizer's files and print the mean number of characters per token on held-out text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=6144)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    corpus = read_corpus(args.corpus)
    tokenizer = train_tokenizer(corpus, args.vocabulary)
    tokenizer.save_pretrained(args.out)
    for language, dialogues in corpus.held_out.items():
        turns = [turn for dialogue in dialogues for turn in dialogue]
        tokens = sum(map(len, tokenizer(turns, add_special_tokens=False)["input_ids"]))
        print(f"{language}: {sum(map(len, turns)) / tokens:.2f} characters per token")


if __name__ == "__main__":
    main()
