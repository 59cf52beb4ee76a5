"""Editing a region: how much does the rest change?

    python examples/studies/editing.py --minutes 5

A disc of a generated image is to become its negative. Its latent w, or the weights θ of its function, are optimized
inside the disc alone, or inside while the rest is held.
"""

from pathlib import Path

import torch
from _study import TRIAL, Study, run_alone
from _training import TRAINED, trained

from inrgan import ImageModality, View, recipes
from inrgan.analysis import Stages, stages_of
from inrgan.inr import LayerWeights, Weights

SIZE, RADIUS, NEAR = 16, 0.4, 0.25
"""Pixels; radius of the disc and width of the rim around it that counts as near, in half sides of the image."""
METHODS = {
    "w, inside alone": ("w", 0.0), "w, the rest held": ("w", 1.0), "θ, inside alone": ("θ", 0.0),
    "θ, the rest held": ("θ", 1.0),
}  # fmt: skip
_RATES = {"w": 0.02, "θ": 0.002}


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train, and edit some samples by every method."""
    modality = ImageModality(resolution=SIZE)
    trainer = trained(recipes.tiny(modality), seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    stages, (count, steps) = stages_of(trainer.ema), (2, 3) if minutes < TRIAL else (32, 300)
    view = modality.domain.grid((SIZE, SIZE)).to(device)
    z = torch.randn(count, stages.z_dim, generator=torch.Generator().manual_seed(3)).to(device)
    with torch.no_grad():
        w = stages.mapping(z)
        before = stages.signal(stages.weights(w), view)
    rng = torch.Generator().manual_seed(4)
    center = (1 - RADIUS) * (2 * torch.rand(count, 1, 2, generator=rng) - 1).to(device)
    distance = (view.coords - center).norm(dim=2).reshape(count, 1, SIZE, SIZE)
    inside = distance < RADIUS
    target = torch.where(inside, -before, before)
    out = {}
    for name, (space, held) in METHODS.items():
        after = edited(stages, w, target, inside, view, space=space, held=held, steps=steps)
        near, far = ~inside & (distance < RADIUS + NEAR), distance >= RADIUS + NEAR
        out[name] = {
            "requested": rms(before - target, inside), "remaining": rms(after - target, inside),
            "near": rms(after - before, near), "far": rms(after - before, far),
        }  # fmt: skip
    return out


def edited(
    stages: Stages, w: torch.Tensor, target: torch.Tensor, inside: torch.Tensor, view: View, *, space: str, held: float,
    steps: int,
) -> torch.Tensor:  # fmt: skip
    """Signals after one of their spaces is optimized to match a target.

    Args:
        stages: Stages of the generator.
        w: Initial mapped latents (B, W).
        target: Target values (B, C, *S).
        inside: Samples that count in full.
        view: View at which signals are compared.
        space: ``w`` or ``θ``.
        held: Weight of a sample outside.
        steps: Steps of Adam.
    """
    share = torch.where(inside, 1.0, held).expand_as(target)
    moved: list[torch.Tensor]
    with torch.no_grad():
        start = stages.weights(w)
    moved = [w.clone()] if space == "w" else [x.clone() for layer in start for x in (layer.weight, layer.bias)]
    moved = [x.detach().requires_grad_() for x in moved]
    optimizer = torch.optim.Adam(moved, lr=_RATES[space], betas=(0.9, 0.99))

    def weights() -> Weights:
        if space == "w":
            return stages.weights(moved[0])
        return [LayerWeights(a, b) for a, b in zip(moved[::2], moved[1::2], strict=True)]

    for _ in range(steps):
        loss = (share * (stages.signal(weights(), view) - target).square()).sum() / share.sum()
        for x, gradient in zip(moved, torch.autograd.grad(loss, moved, allow_unused=True), strict=True):
            x.grad = gradient
        optimizer.step()
    with torch.no_grad():
        return stages.signal(weights(), view).detach()


def rms(x: torch.Tensor, where: torch.Tensor) -> float:
    """Root mean square over some of the samples."""
    return float((x.square() * where).sum() / where.expand_as(x).sum()) ** 0.5


STUDY = Study(
    name="editing",
    question="Can a region be edited alone?",
    arms=("shapes",),
    share=0.5,
    measure=study,
    columns={
        "requested": "requested change inside",
        "remaining": "remaining error inside",
        "near": "change on the rim",
        "far": "change far away",
    },
    protocol=(
        "Built-in shapes of 16 pixels, `tiny` generator. In 32 samples, a disc at random (radius a fifth of the side) "
        "is to become its negative: 300 steps of Adam on w or on the generated weights θ, towards the target inside "
        "the disc alone, or also towards the unedited sample outside. Root mean square over pixels and channels "
        "(values from −1 to 1): inside; on the rim, an eighth of the side wide; and beyond."
    ),
    compare=(("θ, inside alone", "w, inside alone"), ("θ, the rest held", "w, the rest held")),
    renamed={"asked": "requested", "missed": "remaining"},
)


if __name__ == "__main__":
    run_alone(STUDY, about=__doc__, arm=STUDY.arms[0], minutes=5)
