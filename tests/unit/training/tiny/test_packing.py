"""Packed weights: the rounding of int8, and a bfloat16 file as torch would write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from training.tiny.packing import SCALE_SUFFIX, pack_weights, serialise_bfloat16, unpack_weights


def draw(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_packing_keeps_every_weight_within_half_a_step_of_its_row() -> None:
    weight = draw(8, 64)
    unpacked = unpack_weights(pack_weights({"w": weight, "norm": np.ones(4, np.float32)}))
    step = np.abs(weight).max(axis=1, keepdims=True) / 127
    assert (np.abs(unpacked["w"] - weight) <= step * 0.501).all()
    assert (unpacked["norm"] == 1).all()


def test_matrices_are_int8_with_a_scale_per_row_and_vectors_float16() -> None:
    packed = safetensors.numpy.load(pack_weights({"w": draw(8, 64), "norm": draw(4)}))
    assert {name: (array.dtype.name, array.shape) for name, array in packed.items()} == {
        "w": ("int8", (8, 64)),
        "w" + SCALE_SUFFIX: ("float32", (8, 1)),
        "norm": ("float16", (4,)),
    }


def test_a_row_of_zeros_stays_zero() -> None:
    weight = draw(2, 8)
    weight[0] = 0
    assert (unpack_weights(pack_weights({"w": weight}))["w"][0] == 0).all()


def test_bfloat16_file_holds_what_torch_would_round_to(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    weight = draw(5, 7)
    path = tmp_path / "w.safetensors"
    path.write_bytes(serialise_bfloat16({"w": weight, "norm": draw(3)}))
    loaded = load_file(path)
    assert torch.equal(loaded["w"], torch.from_numpy(weight).bfloat16())
    assert loaded["norm"].shape == (3,)


def test_equal_weights_give_equal_bytes_in_any_order() -> None:
    first, second = draw(2, 3), draw(4)
    assert serialise_bfloat16({"a": first, "b": second}) == serialise_bfloat16({"b": second, "a": first})
