/**
 * Points drawn on a canvas over the movie.
 *
 * Where the browser reports which frame is shown, the canvas holds that frame, too: a frame and its
 * points are then seen together or not at all, however late the points come.
 */

import { drawDot } from "./marks.js";

const SMALLEST_RADIUS = 1.5;
const MOST_PIXELS_PER_POINT = 2;

export class Overlay {
    /**
     * @param {HTMLCanvasElement} canvas Covers the movie.
     * @param {HTMLVideoElement} video
     * @param {import("./poses.js").Poses} poses
     * @param {Array<{color: string, variant: number}>} marks
     * @param {Array<[number, number]>} edges Pairs of keypoints that a line joins.
     * @param {boolean} holdsFrame Whether the canvas shows the frame as well.
     */
    constructor(canvas, video, poses, marks, edges, holdsFrame) {
        this.canvas = canvas;
        this.video = video;
        this.poses = poses;
        this.marks = marks;
        this.edges = edges;
        this.holdsFrame = holdsFrame;
        this.space = null;
        this.look = { cutoff: 0.6, dotSize: 5, isShown: true, keypoints: null };
    }

    /** Draw a frame's points; returns whether they were known. */
    draw(frame) {
        const { canvas, video, poses, look } = this;
        const density = Math.min(devicePixelRatio || 1, MOST_PIXELS_PER_POINT);
        const width = Math.round(canvas.clientWidth * density);
        const height = Math.round(canvas.clientHeight * density);
        if (canvas.width !== width) canvas.width = width;
        if (canvas.height !== height) canvas.height = height;
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, width, height);
        if (!this.space || !video.videoWidth) return true;
        if (this.holdsFrame) context.drawImage(video, 0, 0, width, height);
        if (!look.isShown) return true;
        if (!poses.has(frame)) return false;
        const { shift, size, scale: [across, down] } = this.space;
        const [columns, rows] = size || [video.videoWidth, video.videoHeight];
        const scale = [across * width / columns, down * height / rows];
        const place = (keypoint) => {
            if (!(poses.value("likelihood", keypoint, frame) > look.cutoff)) return null;
            return [
                (poses.value("x", keypoint, frame) + shift[0]) * scale[0],
                (poses.value("y", keypoint, frame) + shift[1]) * scale[1],
            ];
        };
        const keypoints = look.keypoints || this.marks.map((_, keypoint) => keypoint);
        const places = new Map(keypoints.map((keypoint) => [keypoint, place(keypoint)]));
        this.drawEdges(context, places, density);
        const radius = Math.max(look.dotSize * scale[0], SMALLEST_RADIUS * density);
        for (const [keypoint, at] of places) {
            if (at) drawDot(context, this.marks[keypoint], at[0], at[1], radius);
        }
        return true;
    }

    drawEdges(context, places, density) {
        context.lineWidth = 1.5 * density;
        context.strokeStyle = "rgba(255, 255, 255, .8)";
        context.shadowColor = "#000";
        context.shadowBlur = 2 * density;
        for (const [first, second] of this.edges) {
            const from = places.get(first), to = places.get(second);
            if (!from || !to) continue;
            context.beginPath();
            context.moveTo(...from);
            context.lineTo(...to);
            context.stroke();
        }
        context.shadowBlur = 0;
    }
}
