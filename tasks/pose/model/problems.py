"""Findings about a model archive: repairs, warnings, and problems."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.errors import BadInput
from tasks.pose.model.description import ModelFacts


class BadModel(BadInput):
    """A model that cannot be used, with every reason that could be told.

    Attributes:
        problems: One sentence each; the first is the message.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        others = f" (and {more} more; `python -m flows inspect` lists them)" if more else ""
        super().__init__(f"{self.problems[0]}{others}")

    def __reduce__(self) -> tuple[type["BadModel"], tuple[tuple[str, ...]]]:
        """Errors cross from child processes to ours."""
        return BadModel, (self.problems,)


@dataclass
class ModelFindings:
    """Corrections made, warnings for the user, and problems that prevent use.

    Attributes:
        repairs: What was corrected, one sentence each.
        warnings: What the user should know, one sentence each.
        problems: Why the model cannot be used, one sentence each.
        facts: What the model is, as far as it is understood.
    """

    repairs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    facts: ModelFacts = field(default_factory=ModelFacts.begin)

    @contextmanager
    def collect_problems(self) -> Iterator[None]:
        """Keep a refusal for later, so that what does not depend on it is looked at too."""
        try:
            yield
        except BadInput as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))

    def raise_if_problems(self) -> None:
        """Stop here if there is a problem.

        Raises:
            BadModel: With every problem found so far.
        """
        if self.problems:
            raise BadModel(self.problems)
