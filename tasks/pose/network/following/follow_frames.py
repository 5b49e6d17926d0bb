"""Estimate a movie with a window that follows the animals.

Frames are taken a few at a time. These share a window, which is placed by the poses before them;
what is found in it is checked, and frames that fail are looked at in full. Now and then a frame is
looked at both ways, which measures how far windows move points.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.checkpoint_files import BatchPrediction, CheckpointWriter
from tasks.pose.network.following.batch_predictor import (
    BatchPredictor,
    open_lanes,
    replace_frames,
    select_frame,
)
from tasks.pose.network.following.follow_result import (
    AGAIN,
    COMPARED,
    FULL,
    MOVES,
    PLACES,
    WINDOW,
    FollowResult,
    summarize_following,
)
from tasks.pose.network.following.margin_trial import find_margin
from tasks.pose.network.following.visible_points import (
    Predictions,
    find_visible_points,
    measure_moves,
)
from tasks.pose.network.following.window_planner import BatchOutcome, WindowPlanner
from tasks.pose.network.frame_window import Window, WindowGrid
from tasks.pose.network.interface import Lanes, Network, WindowSupport
from tasks.processes.bottleneck import EstimationTimer

COMPARED_EVERY = 51
"""Every so manieth frame is compared. It has no divisor in common with the number of frames that
share a window, so that frames at each place among them are compared."""

_MOST_SIZES = 4
"""Sizes of windows that the network is prepared for: each takes a copy of its weights. The first
ones of a movie; for others it runs as it is."""

_NO_WINDOW = Window(0, 0, 0, 0)


@dataclass(frozen=True)
class MovieFrames:
    """A movie on its way to the network.

    Attributes:
        frames: Frames, RGB; first those that come again.
        again: How many come again, though their poses are known.
        at_once: How many whole frames go to the network at a time.
        lanes: The network's lanes.
    """

    frames: Iterator[Image]
    again: int
    at_once: int
    lanes: Lanes


class FollowedMovie:
    """A movie whose animals a window follows.

    Args:
        network: The network, with the movie begun.
        support: What windows it takes.
        sample: The movie's first frame.
        side: Side of the window in pixels; None chooses it.
        timer: Measures how long the network is prepared.
    """

    def __init__(
        self,
        network: Network,
        support: WindowSupport,
        sample: Image,
        side: int | None,
        timer: EstimationTimer,
    ) -> None:
        self._network, self._support, self._sample = network, support, sample
        self._grid = WindowGrid(support.stride, sample.shape[1], sample.shape[0])
        self._side, self._timer = side, timer
        self._planner: WindowPlanner | None = None
        self._stopped_at: int | None = None
        self._sizes: list[tuple[int, int]] = []
        self._done = 0

    @property
    def batch_size(self) -> int:
        """Number of frames that share a window."""
        return self._support.together

    def predict_batches(
        self,
        movie: MovieFrames,
        kept: CheckpointWriter,
        known: Sequence[BatchPrediction],
        report: Callable[[int], None],
    ) -> list[BatchPrediction]:
        """Predict and store batch after batch.

        Args:
            movie: Its frames.
            kept: Where predictions are stored.
            known: What an earlier try has stored; windows are placed as if it had gone on.
            report: Called with the number of frames of each batch that is done.

        Returns:
            The predictions of all other frames, with the number of frames of each batch.
        """
        for _, prediction in known:
            self._recall(prediction)
        found: list[BatchPrediction] = []
        frames = self._prepare_network(movie)
        with open_lanes(movie.lanes) as pool:
            predictor = BatchPredictor(
                self._network, movie.lanes, self._support, movie.at_once, self._sample, pool
            )
            if again := list(islice(frames, movie.again)):
                predictor.begin_frames(again)()
                report(len(again))
            while batch := list(islice(frames, self._support.together)):
                prediction = self._predict_batch(predictor, batch)
                kept.add_batch((len(batch), prediction))
                found.append((len(batch), prediction))
                report(len(batch))
        return found

    def _prepare_network(self, movie: MovieFrames) -> Iterator[Image]:
        """Prepare the network with the movie's first frames; all of them are still to come."""
        first = list(islice(movie.frames, movie.at_once))
        if first:
            movie.lanes.prepare(np.stack(first))
        return chain(first, movie.frames)

    def summarize(self, found: Sequence[BatchPrediction]) -> FollowResult:
        """Summarize what became of all of the movie's frames."""
        result = summarize_following([prediction for _, prediction in found])
        if self._stopped_at is not None:
            where = f"from frame {self._stopped_at} on"
            return replace(
                result, reason=f"windows move points too far; full frames were used {where}"
            )
        if not result.sides:
            size = f"of {self._side} pixels " if self._side else ""
            return replace(
                result,
                reason=f"no window {size}was large enough for the animals and much smaller than "
                "the frame, so that full frames were used",
            )
        return result

    # --- one batch ----------------------------------------------------------------------------

    def _predict_batch(self, predictor: BatchPredictor, frames: Sequence[Image]) -> Predictions:
        window = self._planner.plan_window() if self._planner else None
        if window is None:
            found = predictor.begin_frames(frames)()
            kinds: NDArray[np.intp] = np.full(len(frames), FULL)
            moves = _measure_nothing(found)
        else:
            found, kinds, moves = self._predict_windows(predictor, frames, window)
        planner = self._remember(found, moves)
        if planner.margin == 0 and not planner.is_lost and planner.margins():
            last = select_frame(found, len(frames) - 1)
            planner.set_margin(self._try_margins(predictor, frames[-1], last))
        self._note_stop(planner)
        place = astuple(window or _NO_WINDOW)
        rows = [(kind, *place, planner.margin) for kind in kinds]
        return {**found, PLACES: np.array(rows, np.int32), MOVES: moves}

    def _predict_windows(
        self, predictor: BatchPredictor, frames: Sequence[Image], window: Window
    ) -> tuple[Predictions, NDArray[np.intp], NDArray[np.float32]]:
        """Predict frames in their window, and in full where that is due or needed.

        Returns:
            Predictions, where each frame's are from, and how far windows moved points.
        """
        assert self._planner is not None
        self._note_size(window)
        size = (window.width, window.height)
        if size in self._sizes[:_MOST_SIZES] and size not in predictor.prepared:
            with self._timer.measure_part("preparation"):
                predictor.prepare_for(size)
        numbers = np.arange(self._done, self._done + len(frames))
        compared = numbers % COMPARED_EVERY == 0
        # First, since it takes longest.
        whole = predictor.begin_frames(_choose_frames(frames, compared))
        found = predictor.begin_windows(frames, window)()
        doubted = self._planner.find_untrusted_frames(window, find_visible_points(found))
        again = predictor.begin_frames(_choose_frames(frames, doubted & ~compared))
        full = replace_frames(found, np.flatnonzero(compared), whole())
        full = replace_frames(full, np.flatnonzero(doubted & ~compared), again())
        late = _find_later_frames(found, full, compared | doubted)
        more = predictor.begin_frames(_choose_frames(frames, late))
        full = replace_frames(full, np.flatnonzero(late), more())
        kinds = np.where(doubted | late, AGAIN, np.where(compared, COMPARED, WINDOW))
        moves = _measure_nothing(found)
        for index in np.flatnonzero(kinds == COMPARED).tolist():
            moves[index] = measure_moves(select_frame(found, index), select_frame(full, index))
        return full, kinds, moves

    def _try_margins(self, predictor: BatchPredictor, frame: Image, full: Predictions) -> int:
        assert self._planner is not None

        def predict(windows: list[Window]) -> list[Predictions]:
            waiting = [predictor.begin_windows([frame], window) for window in windows]
            return [pending() for pending in waiting]

        with self._timer.measure_part("preparation"):
            return find_margin(self._planner, full, predict)

    # --- what is known ------------------------------------------------------------------------

    def _recall(self, prediction: Any) -> None:
        """Take what an earlier try has stored of one batch or of several."""
        for start in range(0, len(prediction[PLACES]), self._support.together):
            part = slice(start, start + self._support.together)
            batch = {name: values[part] for name, values in prediction.items()}
            self._note_size(Window(*(int(value) for value in batch[PLACES][0, 1:5])))
            planner = self._remember(batch, batch[MOVES])
            planner.set_margin(int(batch[PLACES][-1, -1]))
            self._note_stop(planner)

    def _remember(self, found: Predictions, moves: NDArray[np.float32]) -> WindowPlanner:
        if self._planner is None:
            self._planner = WindowPlanner(self._grid, found["bodyparts"].shape[1], self._side)
        self._planner.add_batch(BatchOutcome(find_visible_points(found), moves))
        self._done += len(moves)
        return self._planner

    def _note_size(self, window: Window) -> None:
        size = (window.width, window.height)
        if window != _NO_WINDOW and size not in self._sizes:
            self._sizes.append(size)

    def _note_stop(self, planner: WindowPlanner) -> None:
        if planner.stopped and self._stopped_at is None:
            self._stopped_at = self._done


def _choose_frames(frames: Sequence[Image], chosen: NDArray[np.bool_]) -> list[Image]:
    return [frame for frame, is_chosen in zip(frames, chosen, strict=True) if is_chosen]


def _find_later_frames(
    found: Predictions, full: Predictions, looked_at: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the frames after the first one in full that shows more than its window does.

    Args:
        found: What windows show.
        full: The same, but for frames that were looked at in full.
        looked_at: Which these are; they are left out.
    """
    shown, all_shown = (find_visible_points(one).counts for one in (found, full))
    shows_more = (all_shown > shown).any(axis=1)
    later: NDArray[np.bool_] = np.logical_or.accumulate(shows_more) & ~looked_at
    return later


def _measure_nothing(found: Predictions) -> NDArray[np.float32]:
    return np.full(find_visible_points(found).confident.shape, np.nan, np.float32)


def without_places(predictions: Sequence[Any]) -> list[Any]:
    """Batches' predictions as the network gave them, for the table of poses."""
    own = (PLACES, MOVES)
    return [{k: v for k, v in batch.items() if k not in own} for batch in predictions]
