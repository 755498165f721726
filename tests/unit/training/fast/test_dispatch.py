"""Which implementation of an operation runs: by device, and by whether Triton kernels run there."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from training.fast.dispatch import choose_implementation, run_compiled, run_operation
from training.kernels.cross_entropy import cross_entropy_and_gradient
from training.kernels.rms_norm import rms_norm, rms_norm_backward, rms_norm_backward_triton, rms_norm_triton
from training.kernels.rope import apply_rope, apply_rope_backward, apply_rope_backward_triton, apply_rope_triton
from training.kernels.swiglu import (
    swiglu,
    swiglu_backward,
    swiglu_backward_triton,
    swiglu_lora_backward,
    swiglu_lora_backward_triton,
)

KERNELS = [
    (rms_norm, rms_norm_triton),
    (rms_norm_backward, rms_norm_backward_triton),
    (apply_rope, apply_rope_triton),
    (apply_rope_backward, apply_rope_backward_triton),
    (swiglu_backward, swiglu_backward_triton),
    (swiglu_lora_backward, swiglu_lora_backward_triton),
]


@pytest.mark.parametrize(("operation", "kernel"), KERNELS, ids=lambda function: str(function.__name__))
def test_a_gpu_with_triton_runs_the_kernel_of_an_operation(operation: object, kernel: object) -> None:
    assert choose_implementation(operation, cuda=True, kernels=True) is kernel  # type: ignore[arg-type]  # any callable
    assert choose_implementation(operation, cuda=False, kernels=False) is operation  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("operation", [swiglu, cross_entropy_and_gradient])
def test_an_operation_without_a_kernel_is_compiled_on_a_gpu(operation: object) -> None:
    implementation = choose_implementation(operation, cuda=True, kernels=True)  # type: ignore[arg-type]  # any callable
    assert isinstance(implementation, partial)
    assert (implementation.func, implementation.args) == (run_compiled, (operation,))


def test_a_gpu_without_triton_compiles_what_has_a_kernel_too() -> None:
    implementation = choose_implementation(rms_norm, cuda=True, kernels=False)
    assert isinstance(implementation, partial)
    assert implementation.func is run_compiled


def test_on_a_cpu_the_reference_runs() -> None:
    states, weight = torch.randn(3, 8), torch.rand(8)
    assert torch.equal(run_operation(rms_norm, states, weight, eps=1e-5), rms_norm(states, weight, eps=1e-5))


def test_a_compiled_operation_computes_the_same_without_recording_a_gradient() -> None:
    states, weight = torch.randn(3, 8, requires_grad=True), torch.rand(8)
    with torch.compiler.set_stance("force_eager"):  # compiling for a CPU takes half a minute
        result = run_compiled(rms_norm, states, weight, eps=1e-5)
    assert not result.requires_grad
    assert torch.equal(result, rms_norm(states.detach(), weight, eps=1e-5))
