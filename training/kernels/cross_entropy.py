"""Summed cross-entropy, and the gradient of the logits in the same pass.

    loss = sum_i logsumexp(z_i) - z_i[t_i]
    dz_i = factor (softmax(z_i) - onehot(t_i)), 0 where the target is negative

There is no kernel: torch.compile makes one pass over the logits in the format they come in, where autograd would hold
them in float32 until the backward pass.
"""

from __future__ import annotations

import torch


def cross_entropy_and_gradient(
    logits: torch.Tensor, targets: torch.Tensor, factor: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy and the gradient of the logits: the reference, and what is compiled.

    Args:
        logits: Shape (tokens, vocabulary).
        targets: Token ids, shape (tokens,); negative where nothing is supervised.
        factor: What the loss is multiplied by before it is differentiated; no dimensions.

    Returns:
        The loss, nats, float32, not multiplied by `factor`; and the gradient, shape and format of `logits`.
    """
    wide = logits.float()
    total = torch.logsumexp(wide, dim=1, keepdim=True)
    supervised = (targets >= 0)[:, None]
    loss = torch.where(supervised, total - wide.gather(1, targets.clamp(min=0)[:, None]), 0.0).sum()
    right = torch.arange(logits.shape[1], device=logits.device)[None] == targets[:, None]
    return loss, ((torch.exp(wide - total) - right.float()) * (supervised * factor)).to(logits.dtype)
