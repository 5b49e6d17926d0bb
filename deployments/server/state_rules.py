"""Rules for the states of our runs, which the server applies before Prefect's own.

- A completed run stays completed, whatever is pressed: its results are delivered and its record
  says so. Prefect's newer UI offers to cancel it, and its API takes any state by force.
- A run that is cancelled before its work has begun is Cancelled at once, and says why. Prefect
  waits for a process that has not begun to listen, for five minutes at worst.
- A cancelled run is not begun: the process that a worker had started for it is sent away.
- Only a run that waits is told why it waits: a worker may have taken it meanwhile.

Runs of others, without one of our tags, are Prefect's business alone.
"""

from collections.abc import Sequence
from typing import Any

from prefect.server.orchestration.core_policy import CoreFlowPolicy, MinimalFlowPolicy
from prefect.server.orchestration.rules import ALL_ORCHESTRATION_STATES, FlowRunOrchestrationRule
from prefect.server.schemas.states import Cancelled, StateType

from tasks import OWN_TAGS
from tasks.stages.cancellation import describe_cancellation
from tasks.stages.run_states import WAITING_STATE

_CLUSTER_WORKER = "kubernetes"
"""Type of workers whose jobs may wait for a node for days; Prefect itself removes such a job."""


def _types(*types: StateType) -> set[StateType | None]:
    return set(types)


def _all_but(*types: StateType) -> set[StateType | None]:
    return ALL_ORCHESTRATION_STATES - set(types)


class _OwnRunRule(FlowRunOrchestrationRule):
    """A rule for runs of ours."""

    async def before_transition(
        self, initial_state: Any, proposed_state: Any, context: Any
    ) -> None:
        """Decide on a transition of one of our runs; others pass."""
        del initial_state, proposed_state  # the context has them
        if not OWN_TAGS.isdisjoint(context.run.tags):
            await self.decide(context)

    async def decide(self, context: Any) -> None:
        """Let a transition pass, refuse it, or put another state into its place."""
        raise NotImplementedError


class KeepCompleted(_OwnRunRule):
    """Refuses every other state for a completed run."""

    FROM_STATES = _types(StateType.COMPLETED)
    TO_STATES = _all_but(StateType.COMPLETED)

    async def decide(self, context: Any) -> None:
        """Refuse it."""
        del context
        await self.abort_transition(
            "It has completed, and its results are delivered. To make something again, start a "
            "new run: what has not changed is reused."
        )


class CancelBeforeWork(_OwnRunRule):
    """Makes a run Cancelled at once that is cancelled before its work begins."""

    FROM_STATES = _types(StateType.SCHEDULED, StateType.PENDING)
    TO_STATES = _types(StateType.CANCELLING)

    async def decide(self, context: Any) -> None:
        """Replace Cancelling, for which nobody is there yet."""
        if not _has_cluster_job(context):
            message = describe_cancellation([context.proposed_state], None)
            await self.reject_transition(Cancelled(message=message), "Its work has not begun.")


class BeginNoCancelledRun(_OwnRunRule):
    """Sends the process of a run away that was cancelled while it started."""

    FROM_STATES = _types(StateType.CANCELLED)
    TO_STATES = _types(StateType.PENDING, StateType.RUNNING)

    async def decide(self, context: Any) -> None:
        """Refuse it; Retry goes another way."""
        del context
        await self.abort_transition("It was cancelled before its work began.")


class ExplainOnlyWaits(_OwnRunRule):
    """Refuses to tell why a run waits that waits no longer."""

    FROM_STATES = _all_but(StateType.SCHEDULED)
    TO_STATES = _types(StateType.SCHEDULED)

    async def decide(self, context: Any) -> None:
        """Refuse it if it is an explanation that comes too late."""
        if context.proposed_state.name == WAITING_STATE:
            await self.abort_transition("It waits no longer.")


_Rules = Sequence[type[FlowRunOrchestrationRule]]

_FORCED: _Rules = (KeepCompleted, CancelBeforeWork, ExplainOnlyWaits)
"""Rules that hold for states that are set by force, too, as the UI does."""

_RULES: _Rules = (*_FORCED, BeginNoCancelledRun)


def install_rules() -> None:
    """Put the rules before Prefect's own, in this process."""
    for policy, rules in ((CoreFlowPolicy, _RULES), (MinimalFlowPolicy, _FORCED)):
        _put_before(policy, rules)


def _put_before(policy: Any, rules: _Rules) -> None:
    own = policy.priority
    if rules[0] not in own():
        policy.priority = staticmethod(lambda: [*rules, *own()])


def _has_cluster_job(context: Any) -> bool:
    """Return whether a worker has made a job in a cluster for a run, which must be removed."""
    is_pending = context.initial_state.type == StateType.PENDING
    return bool(is_pending and context.run.labels.get("prefect.worker.type") == _CLUSTER_WORKER)
