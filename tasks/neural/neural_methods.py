"""What was computed, in sentences that can go into a methods section."""

from collections.abc import Mapping
from typing import Any

from tasks.neural.neural_settings import Clock, ComparisonMethod, MappingMethod, NeuralSettings

_CLOCKS = {
    Clock.COUNTER: "the hardware counter of the acquisition box that recorded both",
    Clock.START: "the starts of both recordings",
    Clock.ELAPSED: "the time since both recordings began, which was taken to be the same",
}


def describe_neural_methods(settings: NeuralSettings, facts: Mapping[str, Any]) -> str:
    """Describe in sentences what was computed, as a methods section would.

    Args:
        settings: The run's settings.
        facts: The record's figures: the clock that was used, and how many cells there are.
    """
    sentences = _describe_mapping(settings, Clock(facts["clock"]["used"]))
    if facts["cells"]:
        sentences += _describe_activity(settings) + _describe_correlations(settings)
    return " ".join(sentences)


def _describe_mapping(settings: NeuralSettings, clock: Clock) -> list[str]:
    if clock is Clock.ROWS:
        return ["The annotations had a state for each sample of the miniscope."]
    sentences = [f"States were mapped to the miniscope's samples by {_CLOCKS[clock]}."]
    if settings.method is MappingMethod.MAJORITY:
        sentences.append(
            "A sample has the state that held the longest in it, or none where states covered less "
            "than half of it; a state lasted until the next annotation, at most 1.5 median steps."
        )
    else:
        sentences.append("A sample has the state of the annotation nearest to its start.")
    if not settings.parity:  # the IDEAS tools count them as "not the state"
        sentences.append("Samples that were not recorded, or have no state, were left out.")
    return sentences


def _describe_activity(settings: NeuralSettings) -> list[str]:
    other = {
        ComparisonMethod.NOT_STATE: "all other samples",
        ComparisonMethod.PAIRWISE: "each other state",
        ComparisonMethod.BASELINE: f"the state {settings.baseline_state}",
        ComparisonMethod.NOT_DEFINED: "samples in none of the states",
    }[settings.comparison]
    shuffles = f"{settings.shuffles:,}"
    if settings.parity:
        return [
            (
                "Activity was compared as by the IDEAS tool Compare Neural Activity Across States "
                f"6.0.7: each state with {other}, by (a − b) ÷ (a + b) of means above the trace's "
                f"minimum, and {shuffles} independent circular shifts of each state (one-sided p)."
            )
        ]
    decided = (
        "corrected over cells by the procedure of Benjamini and Hochberg, "
        if settings.flag_by.value == "q"
        else "not corrected, "
    )
    return [
        (
            f"For each cell, activity in a state was compared with {other} by the modulation score "
            "(a − b) ÷ (a + b), with a and b the mean activity above the trace's 1st percentile."
        ),
        (
            f"Two-sided p-values came from {shuffles} circular shifts of the sequence of states "
            "within each file by at least 10 s (a quarter of the file where it was shorter); they "
            f"were {decided}and a cell counted as modulated below {settings.alpha:g}."
        ),
        (
            f"States with less than {settings.min_seconds:g} s, or fewer than {settings.min_bouts} "
            "bouts, were not tested."
        ),
    ]


def _describe_correlations(settings: NeuralSettings) -> list[str]:
    if settings.parity:
        return [
            (
                "Pearson's correlations of all pairs of cells were computed as by the IDEAS tool "
                "Compare Neural Circuit Correlations Across States 8.0.8."
            )
        ]
    sentences = [
        (
            "Pearson's correlations of all pairs of cells were computed in each state, from the "
            "samples that both cells have, and averaged by Fisher's z."
        )
    ]
    if settings.subtract_bout_means:
        sentences.append("Each bout's mean was subtracted before.")
    if settings.equal_frames:
        sentences.append(
            "Since fewer samples make larger correlations, states are also compared from as many "
            "samples as the shortest one has: means of 50 random draws of whole bouts."
        )
    return sentences
