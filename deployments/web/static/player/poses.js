/** Exact poses of frames, fetched in blocks that are kept for a while. */

import { fetchArrays } from "./arrays.js";

const BLOCK_FRAMES = 1024;
const KEPT_BLOCKS = 32;

export class Poses {
    /**
     * @param {(first: number, last: number, spans: number, keypoints: number[]) => string} address
     * @param {number} frames
     * @param {number} keypoints
     * @param {string[]} quantities Their names, in the order of the server's arrays.
     */
    constructor(address, frames, keypoints, quantities) {
        this.address = address;
        this.frames = frames;
        this.keypoints = keypoints;
        this.places = Object.fromEntries(quantities.map((name, place) => [name, place]));
        this.blocks = new Map();
        this.all = [...Array(keypoints).keys()];
    }

    /** A value; NaN where it is missing, undefined where its block has not come yet. */
    value(quantity, keypoint, frame) {
        const number = Math.floor(frame / BLOCK_FRAMES);
        const block = this.blocks.get(number)?.block;
        if (!block) return undefined;
        const row = this.places[quantity] * this.keypoints + keypoint;
        return block.values[row * block.count + frame - number * BLOCK_FRAMES];
    }

    has(frame) {
        return Boolean(this.blocks.get(Math.floor(frame / BLOCK_FRAMES))?.block);
    }

    /** Fetch what is needed of some frames. */
    async load(first, last) {
        const wanted = [];
        for (let number = Math.floor(first / BLOCK_FRAMES); number * BLOCK_FRAMES < last; number++) {
            wanted.push(this.loadBlock(number));
        }
        await Promise.all(wanted);
    }

    loadBlock(number) {
        const kept = this.blocks.get(number) || { promise: this.fetchBlock(number) };
        // The block that was asked for last stays longest.
        this.blocks.delete(number);
        this.blocks.set(number, kept);
        if (this.blocks.size > KEPT_BLOCKS) this.blocks.delete(this.blocks.keys().next().value);
        return kept.promise;
    }

    async fetchBlock(number) {
        const first = number * BLOCK_FRAMES, last = Math.min(this.frames, first + BLOCK_FRAMES);
        try {
            const { arrays } = await fetchArrays(this.address(first, last, BLOCK_FRAMES, this.all));
            const entry = this.blocks.get(number);
            if (entry) entry.block = { values: arrays.values, count: last - first };
        } catch (error) {
            this.blocks.delete(number);
            throw error;
        }
    }
}
