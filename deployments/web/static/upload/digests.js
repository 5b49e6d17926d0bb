/** Digests of parts of files, which a worker computes. */

import { Refusal } from "./api.js";

const UNREADABLE = "this computer cannot read the file any more; it was changed, moved, or removed; choose it again";

export class Digests {
    constructor() {
        this.waiting = new Map();
        this.next = 0;
        this.worker = new Worker(new URL("digest_worker.js", import.meta.url), { type: "module" });
        this.worker.onmessage = ({ data }) => {
            this.waiting.get(data.id)(data);
            this.waiting.delete(data.id);
        };
    }

    /**
     * Read a part of a file.
     * @param {Blob} blob
     * @returns {Promise<{digest: string, data: ArrayBuffer}>} MD5 in hexadecimal digits, and the
     *     bytes that have it: these are what is sent.
     */
    read(blob) {
        return this.send({ blob });
    }

    /** The ETag that a store gives a file whose parts have some digests. */
    async combine(digests) {
        const pairs = digests.join("").match(/../g).map((pair) => Number.parseInt(pair, 16));
        const { digest } = await this.send({ bytes: new Uint8Array(pairs).buffer });
        return `${digest}-${digests.length}`;
    }

    async send(work) {
        const id = this.next++;
        const found = await new Promise((resolve) => {
            this.waiting.set(id, resolve);
            this.worker.postMessage({ id, ...work });
        });
        if (!found.digest) throw new Refusal(UNREADABLE);
        return found;
    }
}
