"""`PoseSettings`: one model that is the form, the command line, the validation and the docs."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.pose.form_schema import (
    ERROR_MESSAGE,
    LOCATION_SCHEMA,
    add_ranges,
    describe_odd_numbers,
    list_odd_numbers,
)
from tasks.pose.times_settings import TimesSettings

MAX_WINDOW_LENGTH = 101

_NO_FILTER = "no filter"

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")

MAX_REFINE_FRAMES = 1000

DEFAULT_LINK_HOURS = 72
MAX_LINK_HOURS = 168
"""Hours: a signature of AWS' version 4 lasts a week at the most."""


AUTOMATIC_COLORS = "auto"
OWN_COLOR_MAPS = (AUTOMATIC_COLORS, "colorblind")
"""Names that stand for colors beside those of matplotlib's colormaps."""


LocationText = Annotated[str, Field(json_schema_extra=LOCATION_SCHEMA)]
"""A location as a person writes it; the form refuses what is none."""


class AnnotationsFormat(StrEnum):
    """File format of the annotations table."""

    PARQUET = "parquet"
    CSV = "csv"


class ColorBy(StrEnum):
    """Things that get different colors in the labeled movie."""

    BODYPART = "bodypart"
    INDIVIDUAL = "individual"


class Labels(StrEnum):
    """Text below the frames of the labeled movie."""

    NONE = "none"
    LEGEND = "legend"
    ALL = "legend, frame and time"


class HistogramForm(StrEnum):
    """Form of the histogram of steps."""

    SEPARATE = "separate"
    TOGETHER = "together"


class Precision(StrEnum):
    """Precision of the network's arithmetic."""

    STANDARD = "standard"
    FULL = "full"
    HALF = "half"


class Follow(StrEnum):
    """What goes to the network: the frame, or a window of it that follows the animals."""

    OFF = "off"
    AUTO = "auto"


MIN_FOLLOW_WINDOW = 32
MAX_FOLLOW_WINDOW = 8192
AUTOMATIC_WINDOW: Final = "auto"


class CropCoordinates(StrEnum):
    """Origin of the coordinates in a movie's pose files."""

    CROP = "crop"
    FRAME = "frame"


class Crop(BaseModel):
    """A rectangle of the frame, in pixels; only what is inside goes to the network."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    left: int = Field(ge=0, title="Left", description="First column, counted from 0.")
    top: int = Field(ge=0, title="Top", description="First row, counted from 0.")
    width: int = Field(gt=0, title="Width", description="Number of columns.")
    height: int = Field(gt=0, title="Height", description="Number of rows.")

    @property
    def right(self) -> int:
        """The first column to the right of the rectangle."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below the rectangle."""
        return self.top + self.height


def _share_field(default: float, title: str, description: str) -> Any:
    return Field(default=default, ge=0, le=1, title=title, description=description)


class QualityThresholds(BaseModel):
    """From where on a movie's poses ask for a look, or fail; all are shares from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    low_look: float = _share_field(
        0.10,
        "Low: look",
        "Share of frames with a likelihood under the cutoff above which a part asks for a look.",
    )
    low_fail: float = _share_field(
        0.50,
        "Low: fail",
        "Share of frames with a likelihood under the cutoff from which on a movie fails.",
    )
    jump_length: float = _share_field(
        0.10,
        "Jump length",
        "A step to the next frame is a jump where it is longer than this share of the frame's "
        "diagonal.",
    )
    jumps_look: float = _share_field(
        0.01,
        "Jumps: look",
        "Share of steps that are jumps above which a part asks for a look.",
    )
    jumps_fail: float = _share_field(
        0.10, "Jumps: fail", "Share of steps that are jumps from which on a movie fails."
    )
    outside_look: float = _share_field(
        0.001,
        "Outside: look",
        "Share of confident points outside the frame above which a part asks for a look.",
    )
    outside_fail: float = _share_field(
        0.05,
        "Outside: fail",
        "Share of confident points outside the frame from which on a movie fails.",
    )
    lost_fail: float = _share_field(
        0.10,
        "Lost frames: fail",
        "Share of the declared frames that cannot be decoded from which on a movie fails; a single "
        "one asks for a look.",
    )


_WindowSide = Annotated[int, Field(ge=MIN_FOLLOW_WINDOW, le=MAX_FOLLOW_WINDOW)]
_WINDOW_SIDES = f"must be auto, or {MIN_FOLLOW_WINDOW} to {MAX_FOLLOW_WINDOW:,} pixels"


# What only validators know is said again for the form, which must refuse it before there is a run.
_BodyPartNames = Annotated[list[str], Field(json_schema_extra={"minItems": 1, "uniqueItems": True})]


def _offer_color_maps(schema: dict[str, Any]) -> None:
    """Make the form offer the colormaps that there are."""
    from matplotlib import colormaps  # noqa: PLC0415 - not for --help

    schema["enum"] = [*OWN_COLOR_MAPS, *sorted(colormaps)]


class PoseSettings(BaseModel):
    """Settings of a request; defaults are those of the IDEAS tool, where it has the setting.

    The same fields make the form in the Prefect UI, the flags of ``python -m flows run`` and the
    table in the README. Those that are most often changed come first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=add_ranges)

    annotations_format: AnnotationsFormat = Field(
        default=AnnotationsFormat.PARQUET,
        title="Annotations format",
        description="The file format of the annotations table.",
    )
    crop: Crop | None = Field(
        default=None,
        title="Crop rectangle",
        description="Left, top, width and height in pixels, inside the frame; only this part goes "
        "to the network. Annotations stay in full-frame coordinates.",
    )
    window_length: int = Field(
        default=5,
        title="Window length",
        description="Length of the median filter in frames, an odd number up to 101; 0 and 1 both "
        "mean no filter.",
        json_schema_extra=list_odd_numbers(MAX_WINDOW_LENGTH, zero=_NO_FILTER),
    )
    displayed_body_parts: Literal["all"] | _BodyPartNames = Field(
        default="all",
        title="Displayed body parts",
        description="The body parts drawn in the labeled movie and the previews: all, or names of "
        "the model's body parts.",
        json_schema_extra={ERROR_MESSAGE: "must be all, or names of body parts, each of them once"},
    )
    p_cutoff: float = Field(
        default=0.6,
        ge=0,
        le=1,
        title="P cutoff",
        description="A point is drawn where its likelihood is above this, in the labeled movie "
        "and in the previews.",
    )
    dot_size: int = Field(
        default=5,
        ge=1,
        le=100,
        title="Dot size",
        description="Size in pixels of the dot that marks a body part.",
    )
    color_map: str = Field(
        default=AUTOMATIC_COLORS,
        title="Color map",
        description="Colors of the body parts (or individuals): colorblind, which readers with "
        "any color vision can tell apart; a matplotlib colormap; or auto, which is DeepLabCut's "
        "rainbow in the labeled movie, and colorblind in the previews.",
        json_schema_extra=_offer_color_maps,
    )
    keypoints_only: bool = Field(
        default=False,
        title="Keypoints only",
        description="Show the body parts on black, without the movie's frames.",
    )
    output_frame_rate: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        title="Output frame rate",
        description="Frames per second of the labeled movie; empty keeps the movie's own.",
    )
    draw_skeleton: bool = Field(
        default=False,
        title="Draw skeleton",
        description="Draw the lines between body parts that the model's config.yaml names.",
    )
    trail_points: int = Field(
        default=0,
        ge=0,
        le=1000,
        title="Trail points",
        description="Number of previous frames whose body parts are drawn, too, to show the path.",
    )
    labels: Labels = Field(
        default=Labels.ALL,
        title="Labels below frames",
        description="What the labeled movie has in a strip below its frames: a legend of the "
        "colors, and each frame's number and time; none leaves DeepLabCut's own picture.",
    )
    histogram: HistogramForm = Field(
        default=HistogramForm.SEPARATE,
        title="Histogram",
        description="The preview of steps from frame to frame: separate, in a row for each body "
        "part with its quantiles; or together, all in one plot, as DeepLabCut draws it.",
    )
    color_by: ColorBy = Field(
        default=ColorBy.BODYPART,
        title="Color by",
        description="Colors in the labeled movie differ by body part, or by individual of a "
        "multi-animal model.",
    )
    shuffle: str | int | None = Field(
        default=None,
        title="Shuffle",
        description="Which of several shuffles or iterations in the model's zip is used: its "
        "number, or the name of its folder. Not needed where there is one.",
        examples=[1, "iteration-0/openfieldOct30-trainset95shuffle1"],
    )
    snapshot: str | int | None = Field(
        default=None,
        title="Snapshot",
        description="Which of the model's snapshots is used: best, the number in its name, or "
        "its file name. Without it, snapshotindex in the model's config.yaml decides.",
        examples=["best", 200, "snapshot-200.pt"],
    )
    precision: Precision = Field(
        default=Precision.STANDARD,
        title="Precision of the network",
        description="Precision of the network's arithmetic: standard is DeepLabCut's own (float32, "
        "which PyTorch rounds to TF32 in a GPU's convolutions), full is float32 throughout, half "
        "is float16, or bfloat16 on a CPU that has instructions for it. The run record says how "
        "far points move.",
    )
    follow: Follow = Field(
        default=Follow.OFF,
        title="Window that follows",
        description="auto sends a window that follows the animals to the network, in place of the "
        "whole frame, which is several times as fast where they are small. Windows lie where the "
        "network finds the same as in the whole frame, and are checked; the run record says how "
        "far confident points move. Networks that cannot do so get whole frames, with a warning.",
    )
    follow_window: Literal["auto"] | _WindowSide = Field(
        default=AUTOMATIC_WINDOW,
        title="Side of the window that follows",
        description="Pixels, rounded up to the network's stride (mostly 16 or 32); auto chooses it "
        "by how large the animals are, how fast they move, and how far the network looks.",
        json_schema_extra={ERROR_MESSAGE: _WINDOW_SIDES},
    )
    quality: QualityThresholds = Field(
        default=QualityThresholds(),
        title="Quality thresholds",
        description="Thresholds above which the verdict is look or fail; verdicts never change "
        "the data.",
    )
    refine_frames: int = Field(
        default=0,
        ge=0,
        le=MAX_REFINE_FRAMES,
        title="Frames to refine",
        description="How many of each movie's worst frames are delivered with their poses as "
        "DeepLabCut's labeled-data, to be corrected for the next training; 0 for none.",
    )
    movement: bool = Field(
        default=False,
        title="File for movement",
        description="Write a netCDF file for each movie that the Python package movement opens, "
        "with true times and coordinates of the whole frame.",
    )
    nwb: bool = Field(
        default=False,
        title="NWB file",
        description="Write an NWB file for each movie, with true times and coordinates of the "
        "whole frame; needs nwb_metadata.",
    )
    nwb_metadata: LocationText | None = Field(
        default=None,
        title="Metadata for NWB",
        examples=["s3://lab/nwb.yaml"],
        description="Location of a YAML file with the subject, and, for movies that do not say "
        "when they were recorded, session_start_time.",
    )
    times: TimesSettings = Field(
        default=TimesSettings(),
        title="Experiment's clock",
        description="Where each frame's time on the experiment's clock comes from: a file beside "
        "the movie.",
    )
    crop_coordinates: CropCoordinates = Field(
        default=CropCoordinates.CROP,
        title="Crop coordinates",
        description="What coordinates in the H5 files are relative to where there is a crop: the "
        "crop, as DeepLabCut has them, or the whole frame.",
    )
    link_hours: int = Field(
        default=DEFAULT_LINK_HOURS,
        ge=0,
        le=MAX_LINK_HOURS,
        title="Lifetime of links in hours",
        description="How long the links on the run's page open results in a bucket; 0 leaves them "
        "out.",
    )
    spread_from: int = Field(
        default=0,
        ge=0,
        title="Spread from",
        description="Requests of this many movies or more are spread over the workers of the "
        "pool, each movie in a separate run; 0 never spreads.",
    )

    @field_validator("shuffle", "snapshot", mode="before")
    @classmethod
    def _read_number_or_name(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a number or a name")  # noqa: TRY004 - pydantic asks for it
        text = value.strip() if isinstance(value, str) else value
        if text in ("", None):
            return None
        return int(text) if isinstance(text, str) and _WHOLE_NUMBER.fullmatch(text) else text

    @field_validator("follow", mode="before")
    @classmethod
    def _read_off(cls, value: Any) -> Any:
        return Follow.OFF if value is False else value  # YAML's reading of off

    @field_validator("follow_window", mode="before")
    @classmethod
    def _read_side(cls, value: Any) -> Any:
        text = value.strip() if isinstance(value, str) else value
        is_text = isinstance(text, str) and _WHOLE_NUMBER.fullmatch(text)
        side: Any = int(text) if is_text else text
        is_number = isinstance(side, int) and not isinstance(side, bool)
        is_side = is_number and MIN_FOLLOW_WINDOW <= int(side) <= MAX_FOLLOW_WINDOW
        if side != AUTOMATIC_WINDOW and not is_side:
            raise ValueError(_WINDOW_SIDES)
        return side

    @field_validator("window_length")
    @classmethod
    def _check_window_is_odd(cls, value: int) -> int:
        allowed = describe_odd_numbers(MAX_WINDOW_LENGTH, _NO_FILTER)
        if not 0 <= value <= MAX_WINDOW_LENGTH:
            raise ValueError(allowed)
        if value and value % 2 == 0:
            raise ValueError(f"{allowed}; try {value - 1} or {value + 1}")
        return value

    @field_validator("color_map")
    @classmethod
    def _check_color_map_is_known(cls, value: str) -> str:
        from matplotlib import colormaps  # noqa: PLC0415 - half a second that --help need not pay

        if value not in (known := [*OWN_COLOR_MAPS, *colormaps]):
            raise ValueError(
                f"matplotlib has no colormap {value!r}{_suggest_closest(value, known)}"
            )
        return value

    @field_validator("displayed_body_parts")
    @classmethod
    def _check_parts_are_named_once(
        cls, value: Literal["all"] | list[str]
    ) -> Literal["all"] | list[str]:
        if value == ["all"]:
            return "all"
        if not value:
            raise ValueError("names no body part; use 'all' or name at least one")
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError(f"names a body part twice: {', '.join(value)}")
        return value

    @model_validator(mode="after")
    def _check_nwb_has_metadata(self) -> Self:
        if self.nwb and not self.nwb_metadata:
            raise ValueError("nwb needs a subject; give nwb_metadata, the location of a YAML file")
        return self

    @property
    def movie_color_map(self) -> str:
        """Return the colormap of the labeled movie."""
        return "rainbow" if self.color_map == AUTOMATIC_COLORS else self.color_map

    @property
    def preview_color_map(self) -> str:
        """Return the colormap of the previews."""
        return "colorblind" if self.color_map == AUTOMATIC_COLORS else self.color_map

    @property
    def follow_side(self) -> int | None:
        """Return the side of the window that follows, in pixels; None chooses it."""
        return self.follow_window if isinstance(self.follow_window, int) else None

    @property
    def has_median_filter(self) -> bool:
        """Return whether the median filter changes anything: windows 0 and 1 do not."""
        return self.window_length > 1


def _suggest_closest(name: str, known: Any) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    by_small_letters = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), list(by_small_letters), n=3)
    matches = [by_small_letters[one] for one in close]
    return f"; did you mean {' or '.join(matches)}?" if matches else ""
