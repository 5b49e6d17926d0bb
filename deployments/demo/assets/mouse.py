"""Renders a mouse that walks an open field, with the true position of its body parts.

    for picture, positions in render(seed=7, frames=720): ...

A picture depends on nothing but the seed and the frame's number.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from deployments.demo.assets import arena as arenas
from deployments.demo.assets import coat as coats
from deployments.demo.assets.arena import FPS, HEIGHT, WIDTH, Arena
from deployments.demo.assets.coat import Coat
from deployments.demo.assets.motion import SPINE_NODES, Pose, generate_poses

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

BODY_PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")
# Along the spine in hundredths of the body's length, and to the mouse's right in the same unit.
_BODY_PART_PLACES = ((1.2, 0.0), coats.LEFT_EAR, coats.RIGHT_EAR, (58.0, 0.0), (99.0, 0.0))
_MARGIN, _BODY_MARGIN = 44, 26
_LIMB_OVERSAMPLING = 3
_SHUTTER_S = 0.008
_WARM_UP_FRAMES = 2 * FPS  # frames until nothing shows that the walk began from a straight body


@dataclass(frozen=True)
class _Scene:
    """All that stays the same through a movie.

    Attributes:
        arena: The empty arena.
        coat: What the mouse looks like.
        length: From nose to tail base, pixels.
        noise: Sensor noise, larger than a picture, (544, 704, 3).
    """

    arena: Arena
    coat: Coat
    length: float
    noise: Floats


def render_movie(seed: int, frames: int, every: int = 1) -> Iterator[tuple[Picture, Floats]]:
    """Render a movie.

    Args:
        seed: Decides the arena, the light, the mouse and its way.
        frames: How many pictures to give.
        every: Give every n-th picture of a movie that is `every` times as long.

    Yields:
        A picture, RGB, (480, 640, 3), and the positions (x, y) of `BODY_PARTS`, (5, 2), pixels.
    """
    place, look, way, grain = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)
    )
    scene = _create_scene(place, look)
    poses = generate_poses(way, scene.arena.half, scene.length)
    for pose in itertools.islice(poses, _WARM_UP_FRAMES, _WARM_UP_FRAMES + frames * every, every):
        seen = _project_pose(pose, scene.arena)
        yield _render_picture(scene, seen, grain), _compute_body_parts(seen, scene.length)


def _create_scene(place: np.random.Generator, look: np.random.Generator) -> _Scene:
    """Draw an arena and a mouse."""
    length = float(look.uniform(88, 102))
    noise = look.standard_normal((HEIGHT + 64, WIDTH + 64, 3), dtype=np.float32)
    # Most of a sensor's noise is alike in all colors after demosaicing.
    noise = 0.75 * noise[..., :1] + 0.4 * noise
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.55), dtype=np.float32)
    noise *= look.uniform(1.6, 2.6) / noise.std()
    return _Scene(arenas.build_arena(place), coats.build_coat(look), length, noise)


def _project_pose(pose: Pose, arena: Arena) -> Pose:
    """Turn a pose on the floor into one in the picture."""
    spine, tail, paws = (arena.to_pixels(p) for p in (pose.spine, pose.tail, pose.paws))
    velocity = arena.to_pixels(pose.velocity) - arena.center
    return Pose(spine, tail, paws, pose.girth, velocity)


def _compute_tangents(spine: Floats) -> Floats:
    """Unit vectors toward the tail, (41, 2)."""
    along = np.gradient(spine, axis=0)
    return np.asarray(along / np.linalg.norm(along, axis=1, keepdims=True), dtype=np.float32)


def _compute_body_parts(pose: Pose, length: float) -> Floats:
    """Compute the positions of the body parts, shape (5, 2)."""
    places = np.array(_BODY_PART_PLACES, dtype=np.float32)
    tangents, nodes = _compute_tangents(pose.spine), np.linspace(0, 100, SPINE_NODES)
    at = np.stack([np.interp(places[:, 0], nodes, pose.spine[:, k]) for k in (0, 1)], axis=1)
    tail = np.stack([np.interp(places[:, 0], nodes, tangents[:, k]) for k in (0, 1)], axis=1)
    right = np.stack([tail[:, 1], -tail[:, 0]], axis=1)
    aside = places[:, 1:] * length / 100 * pose.girth
    return np.asarray(at + aside * right, dtype=np.float32)


def _render_picture(scene: _Scene, pose: Pose, grain: np.random.Generator) -> Picture:
    """Put the mouse on the floor and take its picture."""
    picture = scene.arena.picture.copy()
    points = np.concatenate([pose.spine, pose.tail])
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - _MARGIN, 0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + _MARGIN
    window = (slice(top, bottom), slice(left, right))
    local = _shift_pose(pose, np.array([left, top], dtype=np.float32))
    _draw_mouse(picture[window], scene.arena.brightness[window], local, scene)
    x, y = grain.integers(0, 64, size=2)
    picture += scene.noise[y : y + HEIGHT, x : x + WIDTH]
    np.clip(np.rint(picture, out=picture), 0, 255, out=picture)
    return picture.astype(np.uint8)


def _shift_pose(pose: Pose, by: Floats) -> Pose:
    """The same pose seen from another origin."""
    return replace(pose, spine=pose.spine - by, tail=pose.tail - by, paws=pose.paws - by)


def _draw_mouse(patch: Floats, brightness: Floats, pose: Pose, scene: _Scene) -> None:
    """Draw shadow and mouse over a patch of floor, in place."""
    layer = _draw_limbs(patch.shape[:2], pose, scene)
    window, body = _draw_body(patch.shape[:2], pose, scene)
    layer[window] = body + layer[window] * (1 - body[..., 3:])
    layer = _blur_motion(layer, pose.velocity)
    shade = _compute_shadow(layer[..., 3], scene.arena.light)
    patch *= shade[..., None] * (1 - layer[..., 3:])
    patch += layer[..., :3] * brightness[..., None]


def _blur_motion(layer: Floats, velocity: Floats) -> Floats:
    """Motion blur of the shutter's time, and the lens."""
    reach = velocity * _SHUTTER_S
    kernel = np.zeros((9, 9), dtype=np.float32)
    for share in np.linspace(-0.5, 0.5, 9):
        x, y = 4 + reach * share
        column, row = int(x), int(y)
        fx, fy = x - column, y - row
        corner = np.outer([1 - fy, fy], [1 - fx, fx])
        kernel[row : row + 2, column : column + 2] += corner
    sharp = np.asarray(cv2.GaussianBlur(kernel / kernel.sum(), (0, 0), 0.5), dtype=np.float32)
    return np.asarray(cv2.filter2D(layer, -1, sharp / sharp.sum()), dtype=np.float32)


def _compute_shadow(alpha: Floats, light: Floats) -> Floats:
    """Compute the light left around the mouse (a contact and a cast shadow), as `alpha`."""
    near = cv2.GaussianBlur(alpha, (0, 0), 1.7)
    far = cv2.GaussianBlur(alpha, (0, 0), 6.0)
    shift = -13.0 * light[:2] / light[2]
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], dtype=np.float32)
    cast = cv2.warpAffine(far, move, alpha.shape[::-1], borderMode=cv2.BORDER_CONSTANT)
    return np.asarray((1 - 0.32 * near) * (1 - 0.45 * cast), dtype=np.float32)


def _draw_limbs(shape: tuple[int, ...], pose: Pose, scene: _Scene) -> Floats:
    """Draw paws and tail: premultiplied RGB and alpha, (height, width, 4)."""
    canvas = np.zeros(
        (shape[0] * _LIMB_OVERSAMPLING, shape[1] * _LIMB_OVERSAMPLING, 4), dtype=np.uint8
    )
    _draw_paws(canvas, pose, scene)
    _draw_tail(canvas, pose, scene)
    small = cv2.resize(canvas, shape[1::-1], interpolation=cv2.INTER_AREA)
    layer = np.asarray(small, dtype=np.float32)
    layer[..., 3] /= 255
    return layer


def _to_fixed_point(point: Floats) -> tuple[int, int]:
    """A point of the patch on the fine canvas, in the sixteenths that OpenCV draws with."""
    x, y = ((point + 0.5) * _LIMB_OVERSAMPLING - 0.5) * 16
    return round(float(x)), round(float(y))


def _draw_paws(canvas: Picture, pose: Pose, scene: _Scene) -> None:
    """Draw the paws that peep out from under the body."""
    unit = scene.length / 100 * _LIMB_OVERSAMPLING * 16
    for number, paw in enumerate(pose.paws):
        node = 12 if number < 2 else 30
        ahead = pose.spine[node - 2] - pose.spine[node + 2]
        axes = (round(5.6 * unit), round(2.1 * unit)) if number > 1 else (round(3 * unit),) * 2
        angle = float(np.degrees(np.arctan2(ahead[1], ahead[0])))
        color = [*(scene.coat.skin * 0.95).tolist(), 255]
        cv2.ellipse(canvas, _to_fixed_point(paw), axes, angle, 0, 360, color, -1, cv2.LINE_AA, 4)


def _draw_tail(canvas: Picture, pose: Pose, scene: _Scene) -> None:
    """Draw the tail, thick and dark at its root, thin and pale at its tip."""
    light = scene.arena.light[:2] * 0.7
    count = len(pose.tail)
    for shade, share, shift in ((0.68, 1.0, 0.0), (1.0, 0.55, 1.0)):
        for node in range(count - 2, -1, -1):
            along = node / count
            width = 4.1 - 2.7 * along**0.8 + 1.7 * np.exp(-along / 0.06)
            ends = pose.tail[node : node + 2] + shift * light * (1 - along)
            skin = scene.coat.tail_root * (1 - along) + scene.coat.skin * along
            color = [*(skin * shade).tolist(), 255]
            start, end = _to_fixed_point(ends[0]), _to_fixed_point(ends[1])
            thick = max(1, round(width * share * scene.length / 100 * _LIMB_OVERSAMPLING))
            cv2.line(canvas, start, end, color, thick, cv2.LINE_AA, 4)


def _draw_body(
    shape: tuple[int, ...], pose: Pose, scene: _Scene
) -> tuple[tuple[slice, slice], Floats]:
    """Draw the body bent along its spine.

    Returns:
        The window of the patch that it fills, and its premultiplied RGB and alpha.
    """
    low = np.maximum(np.floor(pose.spine.min(axis=0)).astype(int) - _BODY_MARGIN, 0)
    high = np.minimum(np.ceil(pose.spine.max(axis=0)).astype(int) + _BODY_MARGIN, shape[1::-1])
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    tangents = _compute_tangents(pose.spine)
    near, along, aside = _compute_body_coordinates(
        pose.spine - low.astype(np.float32), tangents, window
    )
    scale = scene.length / 100
    return window, scene.coat.shade_pixels(
        along, aside / (scale * pose.girth), tangents[near], scene.arena.light
    )


def _compute_body_coordinates(
    spine: Floats, tangents: Floats, window: tuple[slice, slice]
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Find for each pixel where along the spine and how far to its right it lies.

    Returns:
        The nearest node, the place along the spine in hundredths, and the distance in pixels.
    """
    rows = np.arange(window[0].stop - window[0].start, dtype=np.float32)
    columns = np.arange(window[1].stop - window[1].start, dtype=np.float32)
    distance = (columns[None, :, None] - spine[:, 0]) ** 2
    distance = distance + (rows[:, None, None] - spine[:, 1]) ** 2
    near = distance.argmin(axis=2)
    dx, dy = columns[None, :] - spine[near, 0], rows[:, None] - spine[near, 1]
    tx, ty = tangents[near, 0], tangents[near, 1]
    forth, aside = dx * tx + dy * ty, dx * ty - dy * tx
    step = np.linalg.norm(np.diff(spine, axis=0), axis=1).mean()
    turning = np.gradient(np.unwrap(np.arctan2(tangents[:, 1], tangents[:, 0]))) / step
    # On the outside of a bend the same angle spans more pixels.
    spread = np.maximum(1 + turning[near] * aside, 0.4)
    along = (near + forth / (step * spread)) * (100 / (SPINE_NODES - 1))
    return near, along.astype(np.float32), aside.astype(np.float32)
