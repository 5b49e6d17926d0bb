"""The open field: a square box with a light floor, seen from above by a lab camera."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WIDTH, HEIGHT, FPS = 640, 480, 30
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Arena:
    """An empty arena.

    Attributes:
        picture: What the camera sees without a mouse, (480, 640, 3), 0 to 255.
        brightness: How bright the light is at each place, around 1, (480, 640).
        center: Center of the floor in pixels, (2,).
        tilt: Rotation of the box in the picture, radians.
        half: Half a side of the floor, pixels.
        light: Unit vector toward the lamp, (3,): x right, y down, z to the camera.
    """

    picture: Floats
    brightness: Floats
    center: Floats
    tilt: float
    half: float
    light: Floats

    def to_pixels(self, points: Floats) -> Floats:
        """Turn points on the floor, (..., 2) from its center, into pixels."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        rotation = np.array([[cos, sin], [-sin, cos]], dtype=np.float32)
        return points @ rotation + self.center


def build_arena(rng: np.random.Generator) -> Arena:
    """Build an arena: place, lamp, dirt and colors are drawn from `rng`."""
    center = np.array([WIDTH / 2, HEIGHT / 2]) + rng.uniform((-14, -3), (14, 3))
    lamp = rng.uniform(0, 2 * np.pi)
    light = np.array([0.5 * np.cos(lamp), 0.5 * np.sin(lamp), 0.85], dtype=np.float32)
    arena = Arena(
        picture=np.zeros((HEIGHT, WIDTH, 3), dtype=np.float32),
        brightness=np.zeros((HEIGHT, WIDTH), dtype=np.float32),
        center=center.astype(np.float32),
        tilt=float(rng.uniform(-0.02, 0.02)),
        half=float(rng.uniform(200, 206)),
        light=light / np.linalg.norm(light),
    )
    _paint_arena(arena, rng)
    return arena


def _paint_arena(arena: Arena, rng: np.random.Generator) -> None:
    """Fill the arena's picture and brightness."""
    outwards, side = _compute_walls(arena, rng)
    floor = _paint_floor(arena, rng)
    picture = _blur_image(_compose_picture(floor, arena, outwards, side, rng), 0.6 * _OVERSAMPLING)
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    arena.brightness[:] = _compute_illumination(arena, rng)
    arena.picture[:] = small * arena.brightness[..., None]


def _make_grid() -> tuple[Floats, Floats]:
    """Pixel coordinates x and y of the oversampled picture, each (960, 1280)."""
    y, x = np.mgrid[: HEIGHT * _OVERSAMPLING, : WIDTH * _OVERSAMPLING].astype(np.float32)
    shift = (_OVERSAMPLING - 1) / 2
    return (x - shift) / _OVERSAMPLING, (y - shift) / _OVERSAMPLING


def _compute_walls(arena: Arena, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Say how far out of the floor each pixel lies, and over which of the four walls.

    Returns:
        0 at the floor's edge and 1 at the walls' upper rim, (960, 1280), and the wall's number.
    """
    x, y = _make_grid()
    dx, dy = x - arena.center[0], y - arena.center[1]
    cos, sin = np.cos(arena.tilt), np.sin(arena.tilt)
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    # A camera that is not quite over the center sees more of one wall than of its opposite.
    depth = 24 + rng.uniform(-5, 5, size=2)
    visible = (depth[0], 48 - depth[0], depth[1], 48 - depth[1])
    distances = [d - arena.half for d in (u, -u, v, -v)]
    shares = np.stack([d / w for d, w in zip(distances, visible, strict=True)])
    return shares.max(axis=0).astype(np.float32), shares.argmax(axis=0)


def _paint_floor(arena: Arena, rng: np.random.Generator) -> Floats:
    """Paint the floor without its walls: (960, 1280, 3)."""
    base = rng.uniform(178, 204) + np.array([3.0, 1.5, -2.0]) * rng.uniform(-1, 1.6)
    shape = (HEIGHT * _OVERSAMPLING, WIDTH * _OVERSAMPLING)
    grain = (
        1 + 0.012 * _make_blotch_noise(rng, shape, 120) + 0.005 * _make_blotch_noise(rng, shape, 14)
    )
    grain += 0.008 * _make_blotch_noise(rng, shape, 1.5)
    floor = grain[..., None] * base.astype(np.float32)
    _add_scratches(floor, rng)
    _add_dirt(floor, arena, rng)
    return floor


def _make_blotch_noise(rng: np.random.Generator, shape: tuple[int, int], size: float) -> Floats:
    """Smooth noise of unit variance, blotches of `size` oversampled pixels."""
    step = max(1, int(size / 3))
    few = (shape[0] // step + 2, shape[1] // step + 2)
    coarse = _blur_image(rng.standard_normal(few, dtype=np.float32), size / step)
    fine = cv2.resize(coarse / coarse.std(), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, dtype=np.float32)


def _blur_image(image: Floats, sigma: float) -> Floats:
    """Gaussian blur, `sigma` in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)


def _add_scratches(floor: Floats, rng: np.random.Generator) -> None:
    """Add the fine scratches that years of wiping leave."""
    layer = np.zeros(floor.shape[:2], dtype=np.float32)
    for _ in range(int(rng.integers(50, 90))):
        start = rng.uniform((0, 0), (WIDTH * _OVERSAMPLING, HEIGHT * _OVERSAMPLING))
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(30, 240)
        middle = start + 0.5 * reach * np.array([np.cos(angle), np.sin(angle)])
        end = start + reach * np.array([np.cos(angle + 0.15), np.sin(angle + 0.15)])
        line = np.array([start, middle, end]).astype(np.int32)
        cv2.polylines(layer, [line], False, float(rng.uniform(-7, 9)), 1, cv2.LINE_AA)
    floor += layer[..., None]


def _add_dirt(floor: Floats, arena: Arena, rng: np.random.Generator) -> None:
    """Add smudges, crumbs of bedding and droppings, in place."""
    for _ in range(int(rng.integers(5, 10))):
        _draw_stain(floor, _choose_spot(arena, rng), float(rng.uniform(6, 22)), rng)
    for _ in range(int(rng.integers(14, 34))):
        _draw_wood_shaving(floor, _choose_spot(arena, rng), rng)
    for _ in range(int(rng.integers(40, 120))):
        color = np.full(3, rng.uniform(90, 150)) + np.array([12, 4, -10])
        _draw_crumb(
            floor, _choose_spot(arena, rng), rng.uniform((0.3, 0.25), (0.8, 0.5)), color, rng
        )
    for _ in range(int(rng.integers(3, 8))):
        color = np.array([62, 50, 40]) * rng.uniform(0.8, 1.2)
        _draw_crumb(
            floor, _choose_spot(arena, rng), rng.uniform((3.0, 1.3), (3.9, 1.7)), color, rng
        )


def _draw_wood_shaving(floor: Floats, spot: Floats, rng: np.random.Generator) -> None:
    """Draw one wood shaving, an uneven sliver of 2 to 6 pixels, with its shadow."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, size=7))
    slim, turn = rng.uniform(0.3, 0.7), rng.uniform(0, np.pi)
    sliver = np.stack([np.cos(angles), slim * np.sin(angles)], axis=1) * rng.uniform(1.1, 3.0)
    cos, sin = np.cos(turn), np.sin(turn)
    corners = spot + _OVERSAMPLING * sliver @ np.array([[cos, sin], [-sin, cos]])
    ground = floor[int(spot[1]), int(spot[0])]
    wood = np.array([196, 172, 136]) * rng.uniform(0.72, 1.02)
    for place, paint in ((corners + 1.2, ground * 0.8), (corners, wood)):
        points = np.round(place * 8).astype(np.int32)
        cv2.fillPoly(floor, [points], paint.tolist(), cv2.LINE_AA, 3)


def _choose_spot(arena: Arena, rng: np.random.Generator) -> Floats:
    """A place on the floor, rather near the walls, in oversampled pixels."""
    place = np.sign(rng.uniform(-1, 1, 2)) * rng.uniform(0, 1, 2) ** 0.6 * (arena.half - 5)
    return arena.to_pixels(place.astype(np.float32)) * _OVERSAMPLING


def _draw_stain(floor: Floats, spot: Floats, size: float, rng: np.random.Generator) -> None:
    """Darken a soft blotch of `size` pixels."""
    mask = np.zeros(floor.shape[:2], dtype=np.float32)
    axes = (int(size * _OVERSAMPLING), int(size * _OVERSAMPLING * rng.uniform(0.4, 0.9)))
    center = (int(spot[0]), int(spot[1]))
    cv2.ellipse(mask, center, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    floor *= 1 - 0.05 * _blur_image(mask, size * 0.5)[..., None] * np.array(
        [0.8, 1.0, 1.5], np.float32
    )


def _draw_crumb(
    floor: Floats,
    spot: Floats,
    axes: npt.NDArray[np.float64],
    color: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Draw one crumb with its contact shadow; half `axes` in pixels."""
    size = np.round(axes * _OVERSAMPLING * 8).astype(int).tolist()
    at = np.round(spot * 8).astype(int).tolist()
    angle = float(rng.uniform(0, 180))
    under = [p + 8 * _OVERSAMPLING // 2 for p in at]
    shade = (floor[int(spot[1]), int(spot[0])] * 0.82).tolist()
    for place, paint in ((under, shade), (at, color.tolist())):
        cv2.ellipse(floor, place, size, angle, 0, 360, paint, -1, cv2.LINE_AA, 3)


def _compose_picture(
    floor: Floats,
    arena: Arena,
    outwards: Floats,
    side: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Floats:
    """Put walls, their rim and the room around the floor."""
    facing = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]) @ arena.light[:2]
    bright = rng.uniform(150, 172) * (1 + 0.3 * facing)
    wall = (bright[side] * (0.82 + 0.22 * outwards)).astype(np.float32)
    room = rng.uniform(42, 66) + 5 * _make_blotch_noise(rng, outwards.shape, 160)
    corner = 1 - 0.2 * np.exp(np.minimum(outwards, 0) * 2.2)
    picture = floor * corner[..., None]
    for begin, paint in ((0.0, wall), (1.0, bright[side] * 1.12), (1.16, room)):
        tint = np.array([1.0, 1.0, 0.985]) * paint[..., None]
        picture = np.where((outwards > begin)[..., None], tint, picture)
    return picture.astype(np.float32)


def _compute_illumination(arena: Arena, rng: np.random.Generator) -> Floats:
    """Uneven light: a gradient from the lamp, its pool on the floor, and the lens, (480, 640)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    dx, dy = (x - WIDTH / 2) / WIDTH, (y - HEIGHT / 2) / WIDTH
    slope = rng.uniform(0.12, 0.24) * (dx * arena.light[0] + dy * arena.light[1])
    px, py = 0.25 * arena.light[:2]
    pool = rng.uniform(0.05, 0.11) * np.exp(-((dx - px) ** 2 + (dy - py) ** 2) / 0.05)
    return np.asarray(0.97 + slope + pool - 0.4 * (dx**2 + dy**2), dtype=np.float32)
