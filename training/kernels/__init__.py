"""Kernels of ours, where neither torch.compile nor a kept library makes one pass over memory of it.

They need Triton and a GPU of compute capability 8 or up, so import them only where `can_run_kernels` says yes. What
each must compute stands elsewhere as plain torch; `tests/gpu` compares them.
"""
