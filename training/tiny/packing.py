"""Packed weights of the embedded base: int8 matrices with one scale per row, everything else float16.

safetensors files are read and written with numpy alone, so expanding the weights needs no torch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE_SUFFIX = ".scale"


def pack_weights(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Quantise matrices to int8 by the largest magnitude of each output row.

    Args:
        weights: Float arrays by parameter name; matrices have shape (outputs, inputs).

    Returns:
        The bytes of a safetensors file: int8 of shape (outputs, inputs) and a float32 scale of shape (outputs, 1) for
        each matrix, float16 for everything else.
    """
    packed: dict[str, NDArray[Any]] = {}
    for name, weight in weights.items():
        if weight.ndim != 2:
            packed[name] = weight.astype(np.float16)
            continue
        scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
        packed[name] = np.rint(weight / scale).astype(np.int8)
        packed[name + SCALE_SUFFIX] = scale
    return safetensors.numpy.save(packed)


def unpack_weights(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Read what `pack_weights` wrote.

    Args:
        data: The bytes of the file.

    Returns:
        Float32 arrays by parameter name, in their original shapes, with the rounding that packing gave them.
    """
    packed = safetensors.numpy.load(data)
    weights = {name: array.astype(np.float32) for name, array in packed.items() if not name.endswith(SCALE_SUFFIX)}
    for name, array in packed.items():
        if name.endswith(SCALE_SUFFIX):
            weights[name.removesuffix(SCALE_SUFFIX)] *= array
    return weights


def serialise_bfloat16(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Write weights as a bfloat16 safetensors file, rounded to nearest even as torch rounds.

    numpy has no bfloat16 (it is the upper half of a float32), and the raw writer of the safetensors package changed
    its arguments in 0.8, so the header is written here.

    Args:
        weights: Float32 arrays by parameter name.

    Returns:
        The bytes of the file; equal weights give equal bytes, in whatever order they come.

    Source: the format's description in the safetensors README, "Format".
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    chunks: list[bytes] = []
    offset = 0
    for name, weight in sorted(weights.items()):  # loading shuffles the names, the file's digest must not
        bits = np.ascontiguousarray(weight, dtype=np.float32).view(np.uint32)
        chunk = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": list(weight.shape), "data_offsets": [offset, offset + len(chunk)]}
        chunks.append(chunk)
        offset += len(chunk)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(chunks)
