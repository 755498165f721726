"""Operations of a decoder layer: one a module, the plain torch reference beside the Triton kernel, named `…_triton`.

A kernel stands here where neither torch.compile nor a library that is installed anyway makes one pass over memory of
the operation. References run anywhere; kernels need Triton and a GPU of compute capability 8 or up
(`training.model.device.can_run_kernels`). `training.fast.dispatch` decides which of them runs. `tests/unit` compares
references with autograd, `tests/gpu` kernels with references.
"""
