/** Times of frames, and the frame of a time. */

export class FrameClock {
    /**
     * @param {number} count Number of frames.
     * @param {?[number, number]} even Time of the first frame and step, in seconds, of even times.
     * @param {?Float64Array} times Else the time of each frame; they never fall.
     */
    constructor(count, even, times) {
        this.count = count;
        this.even = even;
        this.times = times;
    }

    /** @param {number} frame Also one before the first or after the last. */
    time(frame) {
        if (this.even) return this.even[0] + frame * this.even[1];
        const inside = Math.max(0, Math.min(this.count - 1, frame));
        return this.times[inside] + (frame - inside) * this.usualStep;
    }

    get usualStep() {
        if (this.even) return this.even[1];
        return this.count > 1 ? (this.times[this.count - 1] - this.times[0]) / (this.count - 1) : 1;
    }

    get end() {
        return this.time(this.count);
    }

    /** A time at which a frame is shown for sure: in the middle of its span. */
    middle(frame) {
        return (this.time(frame) + this.time(frame + 1)) / 2;
    }

    /** The frame that is shown at a time: the last one that begins by then. */
    frameAt(time) {
        if (this.even) {
            const place = this.even[1] ? (time - this.even[0]) / this.even[1] : 0;
            return this.clamp(Math.floor(place + 1e-6));
        }
        let low = 0, high = this.count;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.times[middle] <= time + 1e-9) low = middle + 1;
            else high = middle;
        }
        return this.clamp(low - 1);
    }

    /** The frame whose time is nearest. */
    nearest(time) {
        const before = this.frameAt(time), after = this.clamp(before + 1);
        return Math.abs(this.time(after) - time) < Math.abs(this.time(before) - time) ? after : before;
    }

    clamp(frame) {
        return Math.max(0, Math.min(this.count - 1, frame));
    }
}
