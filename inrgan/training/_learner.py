"""One step of the critic and one of the generator."""

import contextlib
from dataclasses import dataclass
from typing import final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.augmentation import Augmentation
from inrgan.config import TrainConfig
from inrgan.field import Field
from inrgan.losses import path_lengths
from inrgan.modality import Modality
from inrgan.training._batches import Batches, Piece, Shown
from inrgan.training._descent import Outcome
from inrgan.training._path_length import PathLength
from inrgan.training._players import Players
from inrgan.training._ranks import Ranks
from inrgan.training._step import Seen
from inrgan.training._strength import AugmentStrength


@dataclass(frozen=True)
class Learned:
    """What became of a step."""

    made: bool
    """False where a loss or a gradient was not finite, and its network was left as it was."""
    stats: dict[str, Tensor]
    """Numbers for the statistics: this process's part of each."""


@final
class Learner:
    """Makes steps.

    Args:
        config: of the run.
        players: the networks.
        batches: what they are shown.
        augmentation: transforms fakes as reals are.
        strength: of it; told how surely the critic judges.
        path: what path lengths of the generator cost.
        ranks: the processes.
    """

    def __init__(
        self, config: TrainConfig, players: Players, batches: Batches, *, augmentation: Augmentation,
        strength: AugmentStrength, path: PathLength, ranks: Ranks,
    ):  # fmt: skip
        self.config, self.players, self.batches, self.ranks = config, players, batches, ranks
        self.augmentation, self.strength, self.path = augmentation, strength, path
        self.pieces: list[Piece] = []
        """What was shown in the last step."""

    def learn(self, step: int) -> Learned:
        """One step of the critic and one of the generator, on the same fields.

        The fields made for the critic's step serve the generator's: its weights have not changed in between,
        and one evaluation is saved. Of a batch in pieces they are made twice instead, so that one piece's are in
        memory at a time.

        Args:
            step: number of the step.

        Raises:
            DataError: no item is fine enough for a view, or too many are bad.
        """
        stats: dict[str, Tensor] = {}
        self.pieces = self.batches.at(step, chance=self.strength.chance)
        kept, critic = self._critic(stats, penalised=step % self.config.penalty_every == 0)
        generator = self._generator(stats, kept)
        told = {
            "gradient/critic": critic.norm, "gradient/generator": generator.norm,
            "shortened/critic": critic.shortened, "shortened/generator": generator.shortened,
        }  # fmt: skip
        stats |= {k: torch.tensor(v / self.ranks.world) for k, v in told.items()}
        return Learned(critic.made and generator.made, stats)

    def make(self, shown: Shown) -> Seen:
        """What is shown, beside what the generator makes for it."""
        with self.players.autocast():
            w = self.players.G.mapping(shown.z, shown.labels)
            field = self.players.G.field(w)
            looks = [shown.term.look(field, w, v) for v in shown.places]
        fakes = tuple(self.augmentation.change(x, v, shown.moves) for x, v in zip(looks, shown.views, strict=True))
        made = field if isinstance(field, Field) else None
        return Seen(shown.term, shown.strength, shown.views, shown.reals, fakes, shown.labels, w, made)

    def _critic(self, stats: dict[str, Tensor], *, penalised: bool) -> tuple[list[list[Seen]], Outcome]:
        """The critic's step: fakes that the generator's can use, and what became of it."""
        players, pieces, kept = self.players, self.pieces, list[list[Seen]]()
        players.D.requires_grad_(True)
        players.descent_D.begin()
        total = torch.zeros((), device=players.device)
        for piece in pieces:
            with contextlib.nullcontext() if len(pieces) == 1 else torch.no_grad():
                seen = [self.make(s) for s in piece.shown]
            loss, more = players.losses.critic(seen, penalised=penalised)
            total = total + _backward(loss, more, stats, share=piece.share)
            if len(pieces) == 1:
                kept.append(seen)
        told = torch.stack([stats[f"told_apart/{s.term.name}"] for s in pieces[0].shown if s.term.critic != "patch"])
        done = players.descent_D.finish(total, extra=told)
        if done.made:
            self.strength.update(done.extra.mean().cpu(), items=self.config.batch)
        return kept, done

    def _generator(self, stats: dict[str, Tensor], kept: list[list[Seen]]) -> Outcome:
        """The generator's step."""
        players = self.players
        players.D.requires_grad_(False)
        players.descent_G.begin()
        total, means, length = (torch.zeros((), device=players.device) for _ in range(3))
        for i, piece in enumerate(self.pieces):
            seen = kept[i] if kept else [self.make(s) for s in piece.shown]
            loss, more = players.losses.generator(seen)
            extra = self._field_loss(seen[0], piece)
            if extra is not None:
                loss, more = loss + extra, more | {"loss/field": extra.detach()}
            if self.path.due(piece.step):
                lengths = self.path_lengths(piece)
                length = length + piece.share * lengths.detach().mean()
                penalty = self.path.loss(lengths)
                if penalty is not None:  # in one backward pass, so that pieces add up alike on any processes
                    told = {"penalty/path": penalty.detach(), "path/length": lengths.detach().mean()}
                    loss, more = loss + penalty, more | told
            total = total + _backward(loss, more, stats, share=piece.share)
            means = means + piece.share * torch.stack([s.w.detach().float().mean(dim=0) for s in seen])
        done = players.descent_G.finish(total, extra=torch.cat([means.flatten(), length[None]]))
        if done.made:
            for mean in done.extra[:-1].unflatten(0, means.shape):
                players.G.mapping.track(mean[None])
            if self.path.due(self.pieces[0].step):
                self.path.update(float(done.extra[-1]))
        return done

    def _field_loss(self, seen: Seen, piece: Piece) -> Float[Tensor, ""] | None:
        """The modality's own loss of a piece's fields; in fp32."""
        if type(self.config.modality).field_loss is Modality.field_loss or seen.field is None:
            return None
        rng = step_generator(self.config.seed, purpose="field", step=piece.step, rank=piece.positions.start)
        return self.config.modality.field_loss(seen.field, generator=rng)

    def path_lengths(self, piece: Piece) -> Float[Tensor, "B"]:
        """Path lengths of a piece's signals, as the first term that looks at the whole of them sees them.

        They are made once more: in fp32, and by code that is not compiled, which can be differentiated only once.
        """
        shown = next(s for s in piece.shown if s.term.critic != "patch" and not s.term.of_functions)
        G, seed = self.players.G, self.config.seed
        view = shown.places[0]
        with self.players.eager():
            w = G.mapping(shown.z, shown.labels).requires_grad_(True)
            values = G.field(w)(view)
        # Every item has noise of its own, whichever process and piece it is in.
        rngs = [step_generator(seed, purpose="path", step=piece.step, rank=i) for i in piece.positions]
        noise = torch.stack([torch.randn(values.shape[1:], generator=rng) for rng in rngs]).to(values)
        return path_lengths(values, w, view, noise=noise, create_graph=self.path.mean is not None)


def _backward(loss: Tensor, parts: dict[str, Tensor], stats: dict[str, Tensor], *, share: float) -> Tensor:
    """Add a piece's gradients and statistics to those of the others; the piece's part of the loss."""
    loss = loss * share
    loss.backward()
    for name, value in parts.items():
        stats[name] = stats[name] + share * value if name in stats else share * value
    return loss.detach()
