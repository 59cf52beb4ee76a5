"""The training loop, top to bottom: steps, statistics, snapshots, and what ends it."""

import math
import signal
import time
from typing import TYPE_CHECKING, final

from inrgan._typing import Tensor
from inrgan.errors import NonFiniteError
from inrgan.training._diagnosis import diagnose
from inrgan.training._health import IN_A_ROW
from inrgan.training._layers import health_of_layers, spread_of_layers
from inrgan.training._reporter import AbstractReporter, Mute, Reporter
from inrgan.training._statistics import memory, statistics
from inrgan.training._stop import StopRequest
from inrgan.training._updates import last_updates, update_measures

if TYPE_CHECKING:
    from inrgan.training._trainer import Trainer

_TICK_SECONDS = 2.0


@final
class Loop:
    """Trains until something ends it; serves one call of ``Trainer.fit``.

    Args:
        trainer: what is trained.
        end: thousands of items at which to stop.
        max_minutes: after which to stop.
        save_minutes: between states, where no snapshot comes in between.
    """

    def __init__(self, trainer: "Trainer", *, end: float, max_minutes: float, save_minutes: float):
        self.trainer, self.ranks, self.config = trainer, trainer.ranks, trainer.config
        self.end, self.max_minutes, self.save_minutes = end, max_minutes, save_minutes
        self.reporter: AbstractReporter = Mute()
        if self.ranks.first:
            self.reporter = Reporter(trainer.run, quiet=trainer.quiet, kimg=trainer.kimg)
        self._sums: dict[str, list[Tensor]] = {}
        self._tick_step = trainer.step

    def run(self) -> None:
        """Train.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: after SIGTERM.
            NonFiniteError: numbers stayed NaN or infinite.
        """
        stop = StopRequest()
        try:
            self._run(stop)
        finally:
            stop.close()
            self.reporter.close()
            self.trainer.batches.close()

    def _run(self, stop: StopRequest) -> None:
        trainer, reporter = self.trainer, self.reporter
        began, first = time.monotonic(), trainer.kimg
        deadline = began + 60 * self.max_minutes
        tick = saved = began
        next_snapshot = self._next_snapshot()
        stopped, over, shown = False, self.max_minutes <= 0, -1
        if trainer.step == 0:
            reporter.show(trainer.preview(reals=True), kimg=0)
            reporter.show(trainer.snapshot(), kimg=0)
        while trainer.kimg < self.end and not stopped and not over:
            stats = trainer.train_step()
            if trainer.health.row == 0:
                for name, value in stats.items():
                    self._sums.setdefault(name, []).append(value)
            now = time.monotonic()
            done = max((trainer.kimg - first) / (self.end - first), (now - began) / (60 * self.max_minutes))
            reporter.progress(min(done, 1.0), kimg=trainer.kimg)
            stopped, over, ticked, late = self.ranks.agree(
                [stop.requested, now >= deadline, now - tick > _TICK_SECONDS, now - saved > 60 * self.save_minutes]
            )
            if ticked or over or trainer.kimg >= min(self.end, next_snapshot):
                self._tick(seconds=now - tick)
                tick = now
            if trainer.health.must_return:
                self._return()
                next_snapshot = self._next_snapshot()
            if trainer.health.row > 0:
                continue  # what is on the disk stays the last good state
            if self.config.watch_every and trainer.step % self.config.watch_every == 0:
                self._watch()
            if trainer.kimg >= next_snapshot:
                reporter.show(trainer.snapshot(), kimg=trainer.kimg)
                reporter.say(f"{trainer.kimg:.3f} kimg, {(now - began) / 60:.1f} minutes: snapshot")
                self._watch(histograms=True)
                next_snapshot, saved, shown = self._next_snapshot(), now, trainer.step
            elif late:
                trainer.save()
                saved = now
        self._finish(stop, stopped=stopped, written=shown == trainer.step)

    def _next_snapshot(self) -> float:
        return (math.floor(self.trainer.kimg / self.config.snapshot_kimg) + 1) * self.config.snapshot_kimg

    def _finish(self, stop: StopRequest, *, stopped: bool, written: bool) -> None:
        """Leave what the end or a stop asks for."""
        trainer, reporter = self.trainer, self.reporter
        if trainer.health.row > 0 and not stopped:
            raise NonFiniteError(self._complaint())
        if trainer.health.row > 0:
            reporter.say(f"stopped while steps were skipped; the last good state is {trainer.run.state}")
        elif stopped and stop.signal == signal.SIGTERM:
            trainer.save()  # whoever sends it waits for seconds only
        else:
            if not written:
                reporter.show(trainer.snapshot(), kimg=trainer.kimg)
                self._watch(histograms=True)
            reporter.say(f"trained to {trainer.kimg:.3f} kimg; snapshot in {trainer.run.snapshot(trainer.kimg)}")
        if stopped:
            reporter.say(f"interrupted; go on with --resume {trainer.run.path}")
            raise stop.exception()

    def _tick(self, *, seconds: float) -> None:
        """Statistics of the steps since the last line."""
        trainer, steps = self.trainer, self.trainer.step - self._tick_step
        kept = {f"health/{name}": value for name, value in trainer.health.to_plain().items()}
        if self.config.augment != "none":
            kept["augment/chance"] = trainer.strength.chance
        line = statistics(self._sums, batches=trainer.batches, bad=trainer.source.bad, ranks=self.ranks) | kept
        line["time/seconds_per_kimg"] = seconds / max(steps * self.config.batch / 1000, 1e-9)
        self.reporter.stats(line | memory(trainer.device), kimg=trainer.kimg)
        self._tick_step, self._sums = trainer.step, {}

    def _watch(self, *, histograms: bool = False) -> None:
        """Record how healthy every layer's activations and gradients look, of a few items of the last step."""
        trainer = self.trainer
        if not self.ranks.first or not self.config.watch_every or not trainer.pieces:
            return
        shown = trainer.pieces[0].shown[0].head(4)
        with trainer.players.eager():
            if histograms:
                spread = spread_of_layers(trainer.G, trainer.D, shown)
                spread |= {f"updates/{name}": x for name, _, x in last_updates(*trainer.players.moved())}
                self.reporter.histograms(spread, kimg=trainer.kimg)
            else:
                layers = health_of_layers(trainer.G, trainer.D, shown)
                layers |= {f"update/{name}": x for name, x in update_measures(*trainer.players.moved()).items()}
                self.reporter.layers(layers, kimg=trainer.kimg)

    def _return(self) -> None:
        """Go back to the last good state and on from there more slowly."""
        trainer = self.trainer
        if trainer.health.hopeless:
            raise NonFiniteError(self._complaint())
        where, why = trainer.kimg, self._diagnosis()
        trainer.go_back()
        self._tick_step, self._sums = trainer.step, {}
        self.reporter.say(
            f"{IN_A_ROW} steps in a row were not finite up to {where:.3f} kimg: {why}. Back to {trainer.kimg:.3f} "
            f"kimg, with {trainer.health.rate:g} of the learning rates"
        )

    def _diagnosis(self) -> str:
        """What went bad first in the step before, in any process."""
        trainer = self.trainer
        with trainer.players.eager():
            found = self.ranks.gather(diagnose(trainer.G, trainer.D, trainer.pieces))
        named = [f"{text} (process {i})" if len(found) > 1 else text for i, text in enumerate(found) if text]
        return min(named, key=lambda text: "gradient of" in text, default="nothing that a second look would show")

    def _complaint(self) -> str:
        return (
            f"a loss or a gradient was NaN or infinite in the last {self.trainer.health.row} steps: "
            f"{self._diagnosis()}; {self.trainer.advice()}"
        )
