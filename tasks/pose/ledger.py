"""The frame ledger: how many frames a movie has at each step, and why they differ."""

from pydantic import BaseModel, ConfigDict


class FrameLedger(BaseModel):
    """Counts of one movie's frames; they must agree, and where they do not, it is said.

    Attributes:
        declared: Frames that the container declares; None where it declares none.
        decoded: Frames that decode.
        poses: Frames that have a pose.
        annotated: Rows in the annotations table; None until it is written.
        labeled: Frames of the labelled movie; None until it is written.
    """

    model_config = ConfigDict(frozen=True)

    declared: int | None
    decoded: int
    poses: int
    annotated: int | None = None
    labeled: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every decodable frame is in every result."""
        return self.decoded == self.poses == self.annotated == self.labeled

    def disagreements(self) -> list[str]:
        """Name every count that differs from the number of decodable frames."""
        found = {
            "the container declares {} frames": self.declared,
            "{} frames have a pose": self.poses,
            "the annotations have {} rows": self.annotated,
            "the labelled movie has {} frames": self.labeled,
        }
        return [
            f"{text.format(count)}, but {self.decoded} decode"
            for text, count in found.items()
            if count is not None and count != self.decoded
        ]


def decode_warnings(errors: tuple[str, ...]) -> list[str]:
    """Say in one sentence what the decoder could not read."""
    if not errors:
        return []
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return [f"the movie is damaged: {errors[0]}{more}"]


def window_warnings(frames: int, window_length: int) -> list[str]:
    """Warn where the median filter's window is longer than the movie."""
    if window_length <= frames or window_length <= 1:
        return []
    warning = (
        f"the movie has {frames} frames, fewer than the filter's window of {window_length}; "
        "DeepLabCut's median filter then pulls coordinates towards 0: set window_length to 0"
    )
    return [warning]
