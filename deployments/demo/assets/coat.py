"""The mouse's looks: fur, ears, eyes, and relief of a straight body, as a texture."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LEFT_EAR, RIGHT_EAR = (25.5, -11.8), (25.5, 11.8)
_SAMPLES = 3  # of the texture for each hundredth of the body's length
_FIRST, _LAST, _ASIDE = -10.0, 108.0, 30.0
_OUTLINE = np.array(
    [
        *((-1.8, -1.0), (-1, 1.2), (0, 2.3), (2, 3.4), (5, 4.9), (9, 6.9), (13, 8.7), (18, 10.3)),
        *((23, 11.3), (28, 11.5), (33, 11.7), (38, 12.7), (44, 14.3), (52, 16.6), (60, 18.5)),
        *((68, 19.4), (76, 19.0), (82, 17.2), (87, 14.4), (91, 11.2), (95, 7.7), (98, 5.2)),
        *((101, 3.4), (104, 2.2), (106, -1.0)),
    ]
)
_RIDGE = np.array([(-1, 2), (10, 7), (22, 11), (34, 11), (50, 15), (68, 18), (84, 14), (105, 3)])


@dataclass(frozen=True)
class Coat:
    """Textures over (along, aside): 3 samples for each hundredth of the body's length.

    Attributes:
        color: RGB, 0 to 255, (354, 180, 3).
        cover: 0 where one sees the floor to 1 where one sees the mouse, (354, 180).
        relief: Surface normal: toward the tail, to the right, up; (354, 180, 3).
        gloss: How much the hairs there shine, (354, 180).
        skin: RGB of paws and tail tip, (3,).
        tail_root: RGB of the tail's hairier root, (3,).
    """

    color: Floats
    cover: Floats
    relief: Floats
    gloss: Floats
    skin: Floats
    tail_root: Floats

    def shade_pixels(
        self, along: Floats, aside: Floats, tailwards: Floats, light: Floats
    ) -> Floats:
        """Draw the part of the mouse that lies at each pixel.

        Args:
            along: Place along the spine in hundredths, (height, width).
            aside: Distance to the right in the same unit, (height, width).
            tailwards: Unit vector along the spine in the picture, (height, width, 2).
            light: Unit vector toward the lamp, (3,).

        Returns:
            Premultiplied RGB, 0 to 255, and alpha, 0 to 1: (height, width, 4).
        """
        x, y = (aside + _ASIDE) * _SAMPLES, (along - _FIRST) * _SAMPLES
        color = _sample_texture(self.color, x, y)
        normal = _sample_texture(self.relief, x, y)
        extra = _sample_texture(np.dstack([self.cover, self.gloss]), x, y)
        east = normal[..., 0] * tailwards[..., 0] + normal[..., 1] * tailwards[..., 1]
        south = normal[..., 0] * tailwards[..., 1] - normal[..., 1] * tailwards[..., 0]
        lit = _compute_diffuse_light(east, south, normal[..., 2], light)
        half = light + np.array([0, 0, 1], dtype=np.float32)
        shine = (
            _compute_diffuse_light(east, south, normal[..., 2], half / np.linalg.norm(half)) ** 14
        )
        glow = extra[..., 1] * shine
        rgb = color * (0.42 + 0.72 * lit)[..., None] + glow[..., None] * _GLOSS_COLOR
        return np.dstack([rgb * extra[..., :1], extra[..., 0]]).astype(np.float32)


_GLOSS_COLOR = np.array([1.0, 0.97, 0.93], dtype=np.float32)


def _sample_texture(texture: Floats, x: Floats, y: Floats) -> Floats:
    """Read a texture between its samples; outside it is empty."""
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR), dtype=np.float32)


def _compute_diffuse_light(east: Floats, south: Floats, up: Floats, light: Floats) -> Floats:
    """Lambert's cosine, never negative."""
    return np.asarray(
        np.maximum(east * light[0] + south * light[1] + up * light[2], 0), dtype=np.float32
    )


def build_coat(rng: np.random.Generator) -> Coat:
    """Draw a mouse: black to gray-brown."""
    along, aside = _make_coordinates()
    fur = _make_fur(rng, along.shape)
    width = np.interp(along, _OUTLINE[:, 0], _OUTLINE[:, 1]) * rng.uniform(0.95, 1.06)
    ears = [_compute_ear(along, aside, place) for place in (LEFT_EAR, RIGHT_EAR)]
    height = _compute_height(along, aside, width)
    color = _compute_fur_color(rng, aside / np.maximum(width, 1), fur)
    skin = np.array([134, 114, 107]) * rng.uniform(0.85, 1.1)
    gloss = np.maximum(0.0, 30 * (1 + 0.45 * fur))
    cover = np.clip((width - np.abs(aside) + 0.4 * fur) / 1.1 + 0.5, 0, 1)
    _add_face(color, gloss, along, aside, skin)
    for ear in ears:
        height, cover = _add_ear(color, gloss, height, cover, ear, skin)
    _add_whiskers(color, cover)
    relief = _compute_normals(height, fur)
    arrays = (a.astype(np.float32) for a in (color, cover, relief, gloss, skin, skin * 0.62))
    return Coat(*arrays)


def _make_coordinates() -> tuple[Floats, Floats]:
    """Place along and aside of every sample of the texture, each (354, 180)."""
    y, x = np.mgrid[: int((_LAST - _FIRST) * _SAMPLES), : int(2 * _ASIDE * _SAMPLES)]
    along, aside = y / _SAMPLES + _FIRST, x / _SAMPLES - _ASIDE
    return along.astype(np.float32), aside.astype(np.float32)


def _make_fur(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Streaks along the body, mean 0, about unit variance."""
    fur = np.zeros(shape, dtype=np.float32)
    for length, thickness, share in ((4.0, 0.9, 0.8), (9.0, 2.2, 0.5)):
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=thickness, sigmaY=length)
        fur += share * noise / noise.std()
    return fur


def _compute_height(along: Floats, aside: Floats, width: npt.NDArray[np.float64]) -> Floats:
    """The relief of the trunk, in hundredths of the body's length."""
    ridge = np.interp(along, _RIDGE[:, 0], _RIDGE[:, 1])
    dome = np.sqrt(np.maximum(1 - (aside / np.maximum(width, 0.5)) ** 2, 0))
    # Shoulders and haunches are separate volumes under one skin.
    for place, offset, size in ((46, 7, 7), (46, -7, 7), (74, 8.5, 11), (74, -8.5, 11)):
        squared = ((along - place) / size) ** 2 + ((aside - offset) / (0.7 * size)) ** 2
        ridge = ridge + 1.6 * np.exp(-squared)
    return np.asarray(cv2.GaussianBlur(ridge * dome, (0, 0), 4.0), dtype=np.float32)


def _compute_fur_color(
    rng: np.random.Generator, side: npt.NDArray[np.float64], fur: Floats
) -> npt.NDArray[np.float64]:
    """Dark along the back, browner toward the belly: (354, 180, 3)."""
    brown = float(rng.uniform(0, 1)) ** 3
    back = np.array([40, 38, 37]) * (1 - brown) + np.array([84, 75, 65]) * brown
    flank = back * 1.15 + np.array([6, 4, 2])
    share = np.clip(np.abs(side), 0, 1)[..., None] ** 2
    return np.asarray((back * (1 - share) + flank * share) * (1 + 0.08 * fur[..., None]))


@dataclass(frozen=True)
class _Ear:
    """One ear: `rim` is 1 at its edge and 0 in its middle; `out` and `back` are its own axes."""

    rim: Floats
    out: Floats
    back: Floats


def _compute_ear(along: Floats, aside: Floats, place: tuple[float, float]) -> _Ear:
    """An ear's shape: a round leaf that leans outwards and back."""
    side = np.sign(place[1])
    dx, dy = along - place[0], (aside - place[1]) * side
    lean = 0.55
    out = dy * np.cos(lean) + dx * np.sin(lean)
    back = dx * np.cos(lean) - dy * np.sin(lean)
    # Narrower where it grows from the head.
    breadth = 5.7 + 0.16 * out
    rim = np.sqrt((out / 7.0) ** 2 + (back / breadth) ** 2)
    return _Ear(*(a.astype(np.float32) for a in (rim, out, back)))


def _add_ear(
    color: npt.NDArray[np.float64],
    gloss: npt.NDArray[np.float64],
    height: Floats,
    cover: npt.NDArray[np.float64],
    ear: _Ear,
    skin: npt.NDArray[np.float64],
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Lay an ear over the head; the colors change in place.

    Returns:
        The new relief and cover.
    """
    color *= (1 - 0.4 * np.exp(-np.maximum(ear.rim - 1, 0) * 5.0))[..., None]
    inside = np.clip((1 - ear.rim) * 5.0 + 0.5, 0, 1)
    # The paint reaches past the edge, or else fur would show around it as a dark line.
    painted = np.clip((1.25 - ear.rim) * 5.0 + 0.5, 0, 1)[..., None]
    # Light shines through the thin edge; the shell is dark toward its root and its opening.
    shell = 0.70 + 0.028 * ear.out + 0.022 * ear.back + 0.26 * np.minimum(ear.rim, 1.1) ** 5
    tone = skin * np.array([0.84, 0.83, 0.86])
    color[:] = color * (1 - painted) + tone * np.clip(shell, 0.3, 1.15)[..., None] * painted
    gloss *= 1 - 0.85 * inside
    leaf = 12 + 0.25 * ear.back + 1.6 * np.minimum(ear.rim, 1) ** 2
    height = height * (1 - inside) + leaf * inside
    return height.astype(np.float32), np.maximum(cover, inside)


def _add_face(
    color: npt.NDArray[np.float64],
    gloss: npt.NDArray[np.float64],
    along: Floats,
    aside: Floats,
    skin: npt.NDArray[np.float64],
) -> None:
    """Add nose, muzzle and eyes, in place."""
    nose = np.exp(-((((along - 0.2) / 1.7) ** 2 + (aside / 1.9) ** 2) ** 2))[..., None]
    muzzle = np.exp(-(((along - 5) / 4.5) ** 2 + ((np.abs(aside) - 2.6) / 2.4) ** 2))[..., None]
    color[:] = color * (1 + 0.35 * muzzle) * (1 - nose) + skin * nose
    for side in (-1, 1):
        eye = np.exp(-((((along - 13.2) / 1.7) ** 2 + ((aside - 6.3 * side) / 1.25) ** 2) ** 2))
        glint = np.exp(-(((along - 12.8) / 0.6) ** 2 + ((aside - 6.0 * side) / 0.6) ** 2))
        color *= (1 - 0.85 * eye)[..., None]
        color += 90 * glint[..., None]
        gloss *= 1 - eye


def _add_whiskers(color: npt.NDArray[np.float64], cover: npt.NDArray[np.float64]) -> None:
    """Add whiskers, mere hints at this distance, in place."""
    layer = np.zeros(cover.shape, dtype=np.float32)
    for side in (-1, 1):
        for tip, reach in ((-7, 9), (-3, 13), (3, 16), (9, 16), (14, 14)):
            ends = np.array(
                [(_ASIDE + side * 3.2, 4 - _FIRST), (_ASIDE + side * reach, tip - _FIRST)]
            )
            start, end = (tuple((16 * _SAMPLES * p).astype(int).tolist()) for p in ends)
            cv2.line(layer, start, end, 0.26, 1, cv2.LINE_AA, 4)
    free = layer * (1 - cover)
    color += free[..., None] * 60
    np.maximum(cover, free, out=cover)


def _compute_normals(height: Floats, fur: Floats) -> Floats:
    """Surface normals of a relief, roughened by the fur: (354, 180, 3)."""
    rough = cv2.GaussianBlur(height, (0, 0), 1.2) + 0.1 * fur
    down, across = np.gradient(rough * _SAMPLES)
    normal = np.dstack([-down, -across, np.ones_like(rough)])
    return np.asarray(normal / np.linalg.norm(normal, axis=2, keepdims=True), dtype=np.float32)
