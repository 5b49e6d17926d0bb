"""Stages: functions as Prefect tasks, with retries of what can succeed at another try."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from tempfile import gettempdir
from traceback import format_exception
from typing import Any, Generic, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import MissingContextError, TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.utilities.annotations import quote

from tasks.errors import PoseError, Retriable, StageFailed
from tasks.full_disk import describe_any_full_disk
from tasks.messages import lead_with_cause
from tasks.stages.cancellation import record_end
from tasks.stages.disk_room import run_with_room
from tasks.stages.patient_requests import wait_for_restarts
from tasks.stages.retries import RETRY_PAUSES, is_retriable
from tasks.stages.run_logs import tell_causes_once
from tasks.stages.run_states import NamedEnd
from tasks.stages.stage_times import stage_seconds, time_stage

tell_causes_once()
wait_for_restarts()

P = ParamSpec("P")
R = TypeVar("R")


class Stage(Generic[P, R]):
    """A function that runs as a separate Prefect task, with a clear name and state message.

    The function returns its value and a sentence for the UI. Its errors become
    the state's message, without a traceback: they are written for users.
    """

    def __init__(self, function: Callable[P, tuple[R, str | NamedEnd]], **options: Any) -> None:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
            try:
                value, end = run_with_room(lambda: function(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - a stage's edge: all that fails is told
                return _failed_state(to_pose_error(error))
            return _completed_state(value, end)

        @wraps(function)
        def reuse(*_args: P.args, **_kwargs: P.kwargs) -> State[Any]:
            return Completed(
                name=REUSED_STATE, message="an earlier run's result, of the same inputs"
            )

        plain: Any = {"cache_policy": NO_CACHE, "persist_result": False}
        self.task: Task[P, State[Any]] = Task(
            run,
            retry_condition_fn=is_retriable,
            **RETRY_PAUSES,
            **plain,
            **options,
        )
        aside: Any = {"retries": 0, "tags": ()}
        self._reuse: Task[P, State[Any]] = Task(reuse, **plain, **options | aside)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the task here and now; its errors are raised."""
        args, kwargs = _quote_arguments(args, kwargs)
        with time_stage(self.task.name):
            state: State[Any] = self.task(*args, **kwargs, return_state=True)
        try:
            return state.result()  # type: ignore[no-any-return]
        except PoseError as error:
            error.stage = error.stage or self.task.name
            raise

    def run_unless_known(self, known: R | None, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the task, unless an earlier run's result is known: then the UI shows it as reused."""
        if known is None:
            return self(*args, **kwargs)
        args, kwargs = _quote_arguments(args, kwargs)
        self._reuse(*args, **kwargs, return_state=True)
        if (seconds := stage_seconds.get()) is not None:
            seconds[self.task.name] = None
        return known

    def try_to_run(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Run the task here and now, where its failure costs time and no result.

        Returns:
            Whether it succeeded; if not, the log says why.
        """
        try:
            self(*args, **kwargs)
        except PoseError as error:
            get_run_logger().warning("%s: %s; the work goes on", self.task.name, error)
            return False
        return True

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the task beside others; returns Prefect's future."""
        args, kwargs = _quote_arguments(args, kwargs)
        return self.task.submit(*args, **kwargs)


def _quote_arguments(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments in which Prefect looks for no futures, which no stage is given.

    It would look through a request's every movie, for each stage of each of them.
    """
    return tuple(map(quote, args)), {name: quote(value) for name, value in kwargs.items()}


REUSED_STATE = "Reused"
"""Name of the state of a stage whose result is that of an earlier run."""


def end_with_message(function: Callable[P, tuple[R, str | NamedEnd]]) -> Callable[P, R]:
    """Make a flow function end in a state that tells in a sentence how it went.

    As a stage's, the function returns its value and that sentence, or a sentence with a name for
    its state; its errors become Failed states with theirs, without a traceback.
    """

    @wraps(function)
    def run_flow(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            value, end = run_with_room(lambda: function(*args, **kwargs))
        except PoseError as error:
            return Failed(message=lead_with_cause(str(error)), data=error)  # type: ignore[return-value]
        except TerminationSignal:
            record_end()
            raise
        return _completed_state(value, end)  # type: ignore[return-value]

    return run_flow


def stage(
    name: str, run_name: str, *tags: str, retries: int = 0
) -> Callable[[Callable[P, tuple[R, str | NamedEnd]]], Stage[P, R]]:
    """Make a function a stage.

    Args:
        name: The task's name in the UI.
        run_name: The name of each of its runs; ``{argument}`` stands for an argument.
        *tags: What it needs, where that may be limited: the server is asked for a place each time.
        retries: Tries after the first, where the error is worth one.
    """

    def decorate(function: Callable[P, tuple[R, str | NamedEnd]]) -> Stage[P, R]:
        return Stage(function, name=name, task_run_name=run_name, tags=tags, retries=retries)

    return decorate


def to_pose_error(error: BaseException) -> PoseError:
    """The error as one that can be shown to a user: one sentence, typed by what to do."""
    if isinstance(error, PoseError):
        return error
    if isinstance(error, OSError) and (full := describe_any_full_disk(error, Path(gettempdir()))):
        return full
    sentence = " ".join(f"{type(error).__name__}: {error}".split())
    told = (Retriable if isinstance(error, OSError) else StageFailed)(sentence)
    told.output = "".join(format_exception(error))
    return told


def _completed_state(value: Any, end: str | NamedEnd) -> State[Any]:
    if isinstance(end, NamedEnd):
        return Completed(name=end.name, message=end.message, data=value)
    return Completed(message=end, data=value)


def _failed_state(error: PoseError) -> State[Any]:
    if error.output:
        with suppress(MissingContextError):
            get_run_logger().warning("Last output of the failed stage:\n%s", error.output)
    return Failed(message=lead_with_cause(str(error)), data=error)
