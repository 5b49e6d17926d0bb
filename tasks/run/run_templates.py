"""The templates that a machine keeps for its runs' child processes."""

from tasks.pose.child_libraries import load_for_estimation, load_for_finishing
from tasks.processes import child
from tasks.processes.environment import count_usable_cpus
from tasks.processes.template_keeper import TemplateChoice
from tasks.run.estimator import library_environment


def list_stage_templates() -> list[TemplateChoice]:
    """List the templates of the processes that run stages: one that has DeepLabCut, one that draws.

    Both have the environment of a run's own children, since libraries read it when they load.
    """
    return [
        TemplateChoice(
            child.__name__, load_for_estimation, library_environment(count_usable_cpus())
        ),
        TemplateChoice(child.__name__, load_for_finishing, library_environment(1)),
    ]
