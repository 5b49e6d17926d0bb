/** How fast bytes go, and numbers as people read them. */

const WINDOW = 10_000; // milliseconds
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export class Pace {
    constructor() {
        this.samples = [];
    }

    /** Note how many bytes have gone in all. */
    note(bytes) {
        const now = Date.now();
        this.samples.push([now, bytes]);
        while (this.samples.length > 2 && now - this.samples[0][0] > WINDOW) this.samples.shift();
    }

    forget() {
        this.samples = [];
    }

    /** Bytes a second; 0 where that is not known yet. */
    get speed() {
        const [first, last] = [this.samples[0], this.samples.at(-1)];
        const seconds = first ? (Date.now() - first[0]) / 1000 : 0;
        return seconds > 0.5 ? (last[1] - first[1]) / seconds : 0;
    }
}

export function formatSize(bytes) {
    let [count, unit] = [bytes, 0];
    while (count >= 1000 && unit < UNITS.length - 1) {
        count /= 1000;
        unit += 1;
    }
    return `${unit ? count.toFixed(1) : count} ${UNITS[unit]}`;
}

export function formatLeft(seconds) {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time as the page has it elsewhere: in UTC. */
export function formatMoment(text) {
    return text ? `${new Date(text).toISOString().slice(0, 16).replace("T", " ")} UTC` : "";
}
