/** Traces of keypoints over time: exact where a person has zoomed in, else thinned. */

import { DASHES } from "./marks.js";
import { fetchArrays } from "./arrays.js";

const PANELS = {
    likelihood: { label: "likelihood", range: () => [-0.03, 1.03] },
    x: { label: "x (px)", range: padRange },
    y: { label: "y (px)", range: padRange },
    speed: { label: "speed (px/s)", range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] },
};
const PANEL_HEIGHT = 120;
const TIME_AXIS_HEIGHT = 44;
const VALUE_AXIS_WIDTH = 62;
const PICK_DISTANCE = 14;
const FEWEST_FRAMES = 8;
const DRAG_DISTANCE = 5;
const MOST_PICKED_FRAMES = 4096;

export const QUANTITIES = Object.keys(PANELS);

function padRange(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const more = Math.max((high - low) * 0.06, 0.5);
    return [low - more, high + more];
}

/** Events: `pick` with a frame, when a person has clicked; `zoom` with begin and end, or null. */
export class Traces extends EventTarget {
    /**
     * @param {HTMLElement} root
     * @param {object} movie
     * @param {Array<{name: string, color: string, variant: number}>} movie.keypoints
     * @param {import("./frame_clock.js").FrameClock} movie.clock True times, in seconds.
     * @param {import("./poses.js").Poses} movie.poses
     */
    constructor(root, movie) {
        super();
        this.root = root;
        this.movie = movie;
        this.quantities = [];
        this.chosen = [];
        this.zoom = null;
        this.cutoff = 0.6;
        this.frame = 0;
        this.panels = [];
        this.part = { first: 0, last: 0, spans: 1, arrays: null };
        new ResizeObserver(() => this.resize()).observe(root);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    }

    /** Choose what is drawn. */
    choose(quantities, chosen) {
        this.quantities = QUANTITIES.filter((name) => quantities.includes(name));
        this.chosen = [...chosen];
        this.part.arrays = null;
        this.build();
        this.refresh();
    }

    setCutoff(cutoff) {
        this.cutoff = cutoff;
        this.panels.forEach(({ plot }) => plot.redraw(false));
    }

    /** Mark a frame, and have it in view. */
    setFrame(frame, follows) {
        this.frame = frame;
        const [begin, end] = this.view;
        const time = this.movie.clock.time(frame);
        if (follows && this.zoom && (time < begin || time > end)) {
            const start = time - (time > end ? 0.05 : 0.5) * (end - begin);
            this.setZoom([start, start + end - begin]);
        }
        this.panels.forEach((panel) => this.placeMarker(panel));
    }

    get view() {
        const { clock } = this.movie;
        return this.zoom || [clock.time(0), clock.time(clock.count - 1)];
    }

    get fewestSeconds() {
        return FEWEST_FRAMES * this.movie.clock.usualStep;
    }

    setZoom(zoom) {
        this.zoom = this.limitZoom(zoom);
        const [min, max] = this.view;
        this.panels.forEach(({ plot }) => plot.setScale("x", { min, max }));
        this.refresh();
        this.dispatchEvent(new CustomEvent("zoom", { detail: this.zoom }));
    }

    limitZoom(zoom) {
        if (!zoom) return null;
        const { clock } = this.movie;
        const first = clock.time(0), last = clock.time(clock.count - 1);
        const length = Math.max(zoom[1] - zoom[0], this.fewestSeconds);
        if (!(length < last - first)) return null;
        const begin = Math.max(first, Math.min(last - length, (zoom[0] + zoom[1] - length) / 2));
        return [begin, begin + length];
    }

    /** Zoom in (factor below 1) or out, around the frame that is shown if it is in view. */
    zoomBy(factor) {
        const [begin, end] = this.view;
        const time = this.movie.clock.time(this.frame);
        const center = time >= begin && time <= end ? time : (begin + end) / 2;
        this.setZoom([center - (center - begin) * factor, center + (end - center) * factor]);
    }

    /** Move the view by a share of its length. */
    pan(share) {
        const [begin, end] = this.view, way = share * (end - begin);
        if (this.zoom) this.setZoom([begin + way, end + way]);
    }

    // --- drawing -----------------------------------------------------------------------------

    build() {
        this.panels.forEach(({ plot }) => plot.destroy());
        this.root.replaceChildren();
        this.panels = this.quantities.map((name, place) => {
            const holder = document.createElement("div");
            holder.className = "panel";
            holder.dataset.quantity = name;
            holder.setAttribute("role", "img");
            const names = this.chosen.map((k) => this.movie.keypoints[k].name).join(", ");
            holder.setAttribute("aria-label", `${PANELS[name].label} of ${names || "nothing"} over time`);
            this.root.append(holder);
            return this.buildPanel(name, holder, place === this.quantities.length - 1);
        });
        this.resize();
        this.fill();
    }

    buildPanel(name, holder, isLast) {
        const style = getComputedStyle(document.documentElement);
        const ink = style.getPropertyValue("--soft").trim(), line = style.getPropertyValue("--line").trim();
        const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
        const [min, max] = this.view;
        const plot = new uPlot({
            width: Math.max(200, this.root.clientWidth),
            height: PANEL_HEIGHT + (isLast ? TIME_AXIS_HEIGHT : 0),
            padding: [8, 12, isLast ? 0 : 8, 0],
            legend: { show: false },
            cursor: {
                sync: { key: "traces", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
                drag: { x: true, y: false, setScale: false, dist: DRAG_DISTANCE },
                points: { show: false },
                y: false,
            },
            scales: { x: { time: false, min, max, range: () => this.view }, y: { range: PANELS[name].range } },
            axes: [
                { ...axis, size: isLast ? TIME_AXIS_HEIGHT : 0, label: isLast ? "seconds" : undefined, labelSize: 18, labelFont: "12px system-ui", values: isLast ? undefined : (_, splits) => splits.map(() => "") },
                { ...axis, size: VALUE_AXIS_WIDTH - 18, label: PANELS[name].label, labelSize: 18, labelGap: 0, labelFont: "12px system-ui" },
            ],
            series: [{}, ...this.chosen.map((keypoint) => this.describeSeries(keypoint))],
            hooks: {
                setSelect: [(u) => this.endDrag(u)],
                draw: [(u) => this.drawExtras(u, name, ink)],
            },
        }, [[], ...this.chosen.map(() => [])], holder);
        const marker = document.createElement("div");
        marker.className = "now";
        plot.over.append(marker);
        const panel = { name, plot, marker };
        plot.over.addEventListener("click", (event) => this.pick(panel, event));
        plot.over.addEventListener("dblclick", () => this.setZoom(null));
        return panel;
    }

    describeSeries(keypoint) {
        const { color, variant } = this.movie.keypoints[keypoint];
        return {
            stroke: color,
            width: 1.5,
            dash: DASHES[variant],
            points: {
                show: true,
                size: 5,
                fill: color,
                filter: (u, series) => this.findPoints(u.data[series], u.width),
            },
        };
    }

    /** Values that are drawn as dots: all where there is room, else those that no line reaches. */
    findPoints(values, width) {
        const isSparse = this.part.arrays?.values && values.length * 8 < width;
        const found = [];
        for (let place = 0; place < values.length; place++) {
            const isLone = values[place - 1] == null && values[place + 1] == null;
            if (values[place] !== null && (isSparse || isLone)) found.push(place);
        }
        return found;
    }

    resize() {
        const width = Math.max(200, this.root.clientWidth);
        for (const panel of this.panels) {
            if (panel.plot.width !== width) panel.plot.setSize({ width, height: panel.plot.height });
            this.placeMarker(panel);
        }
        if (this.panels.length && Math.abs(this.part.width - width) > 0.2 * width) this.refresh();
    }

    placeMarker({ plot, marker }) {
        const time = this.movie.clock.time(this.frame), [begin, end] = this.view;
        marker.hidden = time < begin || time > end;
        marker.style.left = `${plot.valToPos(time, "x")}px`;
    }

    /** Draw the cutoff, and where keypoints are missing. */
    drawExtras(u, name, ink) {
        if (name !== "likelihood") return;
        const { ctx, bbox } = u;
        const density = uPlot.pxRatio;
        ctx.save();
        ctx.strokeStyle = ink;
        ctx.lineWidth = density;
        ctx.setLineDash([3 * density, 3 * density]);
        const height = Math.round(u.valToPos(this.cutoff, "y", true)) + 0.5;
        ctx.beginPath();
        ctx.moveTo(bbox.left, height);
        ctx.lineTo(bbox.left + bbox.width, height);
        ctx.stroke();
        this.drawMissing(u, density);
        ctx.restore();
    }

    drawMissing(u, density) {
        const { arrays, first, last } = this.part;
        if (!arrays) return;
        const { ctx, bbox } = u, { clock, poses } = this.movie;
        const count = arrays.values ? last - first : arrays.starts.length;
        const row = 3 * density;
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        this.chosen.forEach((keypoint, place) => {
            ctx.fillStyle = this.movie.keypoints[keypoint].color;
            for (let n = 0; n < count; n++) {
                const isMissing = arrays.values
                    ? Number.isNaN(arrays.values[(poses.places.likelihood * this.chosen.length + place) * count + n])
                    : arrays.missing[place * count + n] > 0;
                if (!isMissing) continue;
                const begin = arrays.values ? first + n : arrays.starts[n];
                const end = arrays.values ? begin + 1 : (arrays.starts[n + 1] ?? last);
                const left = u.valToPos(clock.time(begin), "x", true), right = u.valToPos(clock.time(end), "x", true);
                ctx.fillRect(left, bbox.top + bbox.height - (place + 1) * row, Math.max(density, right - left), row - density);
            }
        });
    }

    // --- data --------------------------------------------------------------------------------

    /** Fetch what is in view, and draw it. */
    async refresh() {
        this.request?.abort();
        const request = this.request = new AbortController();
        const { clock, poses } = this.movie;
        const [begin, end] = this.view;
        // A frame more at either side, so that lines go on to the edge.
        const first = clock.clamp(clock.frameAt(begin) - 1), last = clock.clamp(clock.frameAt(end) + 1) + 1;
        const width = Math.max(200, this.root.clientWidth);
        const spans = Math.max(50, Math.round(width - VALUE_AXIS_WIDTH));
        if (!this.chosen.length || !this.quantities.length) return;
        const chosen = this.chosen;
        try {
            const { arrays } = await fetchArrays(poses.address(first, last, spans, chosen), request.signal);
            if (request.signal.aborted) return;
            this.part = { first, last, width, arrays };
            this.fill();
            this.root.dataset.state = arrays.values ? "exact" : "thinned";
            this.root.dataset.frames = `${first}-${last}`;
        } catch (error) {
            if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("problem", { detail: error }));
        }
    }

    fill() {
        const { arrays } = this.part;
        if (!arrays) return;
        const [min, max] = this.view;
        const times = arrays.values ? this.exactTimes() : this.thinnedTimes();
        for (const { name, plot } of this.panels) {
            const data = this.chosen.map((_, place) => this.series(name, place));
            plot.batch(() => {
                plot.setData([times, ...data], false);
                plot.setScale("x", { min, max });
            });
        }
    }

    exactTimes() {
        const { first, last } = this.part;
        return Array.from({ length: last - first }, (_, n) => this.movie.clock.time(first + n));
    }

    /** Two moments of each span, for its lowest and its highest value. */
    thinnedTimes() {
        const { arrays: { starts }, last } = this.part;
        const times = [];
        starts.forEach((start, place) => {
            const from = this.movie.clock.time(start);
            const to = this.movie.clock.time(starts[place + 1] ?? last);
            times.push(from, (from + to) / 2);
        });
        return times;
    }

    series(name, place) {
        const { arrays } = this.part;
        const row = this.movie.poses.places[name] * this.chosen.length + place;
        const known = (value) => (Number.isNaN(value) ? null : value);
        if (arrays.values) {
            const count = this.part.last - this.part.first;
            return Array.from(arrays.values.subarray(row * count, (row + 1) * count), known);
        }
        const count = arrays.starts.length, values = [];
        for (let n = row * count; n < (row + 1) * count; n++) {
            values.push(known(arrays.lowest[n]), known(arrays.highest[n]));
        }
        return values;
    }

    // --- what a person does ------------------------------------------------------------------

    endDrag(u) {
        if (u.select.width < DRAG_DISTANCE) return;
        this.dragged = performance.now();
        const zoom = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        this.setZoom(zoom);
    }

    /** Go to the point of a trace that was clicked at, or else to the time. */
    async pick({ name, plot }, event) {
        if (performance.now() - (this.dragged ?? -1000) < 300) return;
        const { clock, poses } = this.movie;
        const left = event.clientX - plot.over.getBoundingClientRect().left;
        const top = event.clientY - plot.over.getBoundingClientRect().top;
        const time = plot.posToVal(left, "x");
        const reach = plot.posToVal(left + PICK_DISTANCE, "x") - time;
        const middle = clock.nearest(time);
        const first = Math.max(clock.frameAt(time - reach), middle - MOST_PICKED_FRAMES / 2);
        const last = Math.min(clock.frameAt(time + reach) + 1, middle + MOST_PICKED_FRAMES / 2);
        let best = { frame: middle, distance: PICK_DISTANCE };
        try {
            await poses.load(first, last);
            for (let frame = first; frame < last; frame++) {
                const across = plot.valToPos(clock.time(frame), "x") - left;
                for (const keypoint of this.chosen) {
                    const value = poses.value(name, keypoint, frame);
                    if (!Number.isFinite(value)) continue;
                    const distance = Math.hypot(across, plot.valToPos(value, "y") - top);
                    if (distance < best.distance) best = { frame, distance };
                }
            }
        } catch (error) {
            this.dispatchEvent(new CustomEvent("problem", { detail: error }));
        }
        this.dispatchEvent(new CustomEvent("pick", { detail: best.frame }));
    }
}
