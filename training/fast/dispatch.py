"""Which implementation of an operation runs: a Triton kernel of this project, torch.compile, or plain torch.

=======================  ==============================================================================================
on a CPU                 the reference as it stands in `training.kernels`
on a GPU                 the reference compiled by torch.compile for any number of tokens
the same, with Triton    the kernel, where there is one: each was measured quicker than what torch.compile makes
=======================  ==============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from training.kernels.matvec_input import matvec_input, matvec_input_triton
from training.kernels.nf4_matvec import nf4_matvec, nf4_matvec_triton
from training.kernels.rms_norm import rms_norm, rms_norm_backward, rms_norm_backward_triton, rms_norm_triton
from training.kernels.rope import apply_rope, apply_rope_backward, apply_rope_backward_triton, apply_rope_triton
from training.kernels.rope_to_slots import rope_to_slots, rope_to_slots_triton
from training.kernels.sample_tokens import sample_tokens, sample_tokens_triton
from training.kernels.slot_attention import slot_attention, slot_attention_triton
from training.kernels.swiglu import (
    swiglu_backward,
    swiglu_backward_triton,
    swiglu_lora_backward,
    swiglu_lora_backward_triton,
)
from training.model.base import quiet_deprecations
from training.model.device import can_run_kernels

Operation = Callable[..., Any]

_KERNELS: dict[Operation, Operation] = {
    rms_norm: rms_norm_triton,
    rms_norm_backward: rms_norm_backward_triton,
    apply_rope: apply_rope_triton,
    apply_rope_backward: apply_rope_backward_triton,
    swiglu_backward: swiglu_backward_triton,
    swiglu_lora_backward: swiglu_lora_backward_triton,
    matvec_input: matvec_input_triton,
    nf4_matvec: nf4_matvec_triton,
    rope_to_slots: rope_to_slots_triton,
    slot_attention: slot_attention_triton,
    sample_tokens: sample_tokens_triton,
}
_COMPILED: dict[Operation, Operation] = {}


def run_operation(operation: Operation, *inputs: Any, **options: Any) -> Any:
    """Run an operation by the quickest implementation for the device of its first input.

    Args:
        operation: A reference of `training.kernels`.
        inputs: Its tensors; inside an autograd function, as no gradient is recorded through kernels.
        options: Its keyword arguments.

    Returns:
        What the reference returns.
    """
    implementation = choose_implementation(operation, cuda=inputs[0].is_cuda, kernels=can_run_kernels())
    return implementation(*inputs, **options)


def choose_implementation(operation: Operation, *, cuda: bool, kernels: bool) -> Operation:
    """Return what runs for an operation.

    Args:
        operation: A reference of `training.kernels`.
        cuda: Its inputs lie on a GPU.
        kernels: Triton kernels run on that GPU.
    """
    if not cuda:
        return operation
    kernel = _KERNELS.get(operation) if kernels else None
    return kernel or partial(run_compiled, operation)


def run_compiled(operation: Operation, *inputs: Any, **options: Any) -> Any:
    """Run an operation compiled for any number of tokens, so that a new number compiles nothing anew.

    Args:
        operation: A reference of `training.kernels`.
        inputs: Its tensors.
        options: Its keyword arguments.

    Returns:
        What the reference returns, detached.
    """
    if operation not in _COMPILED:
        with quiet_deprecations():
            _COMPILED[operation] = torch.compile(operation, fullgraph=True)
    inputs = tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in inputs)
    for value in inputs:
        if isinstance(value, torch.Tensor) and (value.dim() > 1 or value.dtype is torch.int64):
            torch._dynamo.maybe_mark_dynamic(value, 0)
    return _COMPILED[operation](*inputs, **options)
