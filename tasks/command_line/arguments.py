"""Parts of the command line that its commands share: options made from a settings model."""

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, NoReturn

from pydantic import BaseModel

from tasks import PRODUCT
from tasks.pose.settings import PoseSettings
from tasks.pose.settings_help import list_number_groups, to_argparse_option


class SuggestingParser(argparse.ArgumentParser):
    """A parser that names the most likely option in place of an unknown one."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the message, with a suggestion, and exit with status 2."""
        unknown, _, words = message.partition("unrecognized arguments: ")
        if not unknown and words:
            known = [flag for action in self._list_actions() for flag in action.option_strings]
            typed = words.split()[0].partition("=")[0]
            for close in difflib.get_close_matches(typed, known, n=1):
                message += f"; did you mean {close}?"
        super().error(message)

    def _list_actions(self) -> Iterator[argparse.Action]:
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
                for parser in action.choices.values():
                    yield from parser._actions  # noqa: SLF001


class PrintVersions(argparse.Action):
    """Prints our version and those of the packages that make results what they are."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and exit."""
        others = ", ".join(
            f"{name} {metadata.version(package)}"
            for name, package in (("DeepLabCut", "deeplabcut"), ("Prefect", "prefect"))
        )
        sys.stdout.write(f"{PRODUCT} ({others})\n")
        parser.exit()


def add_settings_arguments(command: argparse.ArgumentParser, model: type[BaseModel]) -> None:
    """Add a flag for each setting of a model."""
    settings = command.add_argument_group("settings")
    for name, field in model.model_fields.items():
        settings.add_argument(f"--{name.replace('_', '-')}", **to_argparse_option(field))


def add_verbose_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--verbose``, for commands that log."""
    command.add_argument(
        "--verbose", action="store_true", help="print every line of the log, not a summary of it"
    )


def collect_settings(
    options: argparse.Namespace, model: type[BaseModel] = PoseSettings
) -> dict[str, Any]:
    """Collect the settings that were given; the model knows the rest."""
    values = {name: getattr(options, name) for name in model.model_fields}
    given = {name: value for name, value in values.items() if value is not None}
    for name, fields in list_number_groups(model).items():
        if name in given:
            given[name] = dict(zip(fields, given[name], strict=True))
    if given.get("displayed_body_parts") == ["all"]:
        given["displayed_body_parts"] = "all"
    for group in {"quality", "times"} & given.keys():
        given[group] = collect_group(given[group])
    return given


def collect_group(words: Sequence[str]) -> dict[str, str]:
    """Collect the values of a group of settings, each given as ``NAME=VALUE``."""
    return dict(text.partition("=")[::2] for text in words)
