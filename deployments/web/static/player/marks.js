/** Marks of keypoints: shapes of dots, and dashes of lines. */

/** Shapes as SVG path data around the origin, with a radius of about 1; in the server's order. */
export const SHAPES = [
    "M1 0A1 1 0 1 1 -1 0A1 1 0 1 1 1 0Z",
    "M-.9 -.9H.9V.9H-.9Z",
    "M0 -1.25L1.25 0L0 1.25L-1.25 0Z",
    "M0 -1.2L1.15 .85H-1.15Z",
    "M0 1.2L1.15 -.85H-1.15Z",
    "M-.4 -1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
    "M-1.1 -.6L-.6 -1.1L0 -.5L.6 -1.1L1.1 -.6L.5 0L1.1 .6L.6 1.1L0 .5L-.6 1.1L-1.1 .6L-.5 0Z",
    "M0 -1.35L.35 -.45L1.3 -.4L.55 .2L.8 1.1L0 .6L-.8 1.1L-.55 .2L-1.3 -.4L-.35 -.45Z",
];

/** Dashes in pixels, one for each shape. */
export const DASHES = [
    [], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [2, 6], [9, 3, 2, 3, 2, 3], [4, 2],
];

const PATHS = SHAPES.map((shape) => new Path2D(shape));

/**
 * Draw a dot.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {{color: string, variant: number}} mark
 * @param {number} x Center, in pixels of the canvas.
 * @param {number} y
 * @param {number} radius
 */
export function drawDot(context, mark, x, y, radius) {
    context.save();
    context.translate(x, y);
    context.scale(radius, radius);
    // Seen on any picture: the color, with a dark rim in a light one.
    context.lineJoin = "round";
    context.lineWidth = 0.55;
    context.strokeStyle = "rgba(255, 255, 255, .9)";
    context.stroke(PATHS[mark.variant]);
    context.lineWidth = 0.25;
    context.strokeStyle = "rgba(0, 0, 0, .9)";
    context.stroke(PATHS[mark.variant]);
    context.fillStyle = mark.color;
    context.fill(PATHS[mark.variant]);
    context.restore();
}

const SVG = "http://www.w3.org/2000/svg";

/** A picture of a mark for a legend: its dot on its line. */
export function createSwatch(mark) {
    const picture = document.createElementNS(SVG, "svg");
    const set = (element, attributes) => {
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        return element;
    };
    set(picture, { viewBox: "-20 -7 40 14", class: "swatch", "aria-hidden": "true" });
    const line = set(document.createElementNS(SVG, "path"), {
        d: "M-20 0H20", stroke: mark.color, "stroke-width": 2,
        "stroke-dasharray": DASHES[mark.variant].join(" "), fill: "none",
    });
    const dot = set(document.createElementNS(SVG, "path"), {
        d: SHAPES[mark.variant], transform: "scale(5)", fill: mark.color,
    });
    picture.append(line, dot);
    return picture;
}
