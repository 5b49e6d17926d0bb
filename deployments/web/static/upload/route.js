/** The way that parts take: to the store itself by signed links, or through the page. */

import { Refusal, Unreachable, ask, explainAnswer } from "./api.js";
import { sendBytes } from "./send_bytes.js";

const TRIES = 2; // before the store counts as out of reach for this browser
const REFUSALS = 5; // of one part, before it is given up

/** Event: `change` when parts go through the page, since the store cannot be reached. */
export class Route extends EventTarget {
    constructor(isDirect) {
        super();
        this.isDirect = isDirect;
        this.hasReached = false;
        this.misses = 0;
        this.refusals = new Map();
    }

    /**
     * Send a part, once.
     * @param {{folder: string, name: string, upload: string, number: number, digest: string}} part
     * @param {number} size The file's bytes.
     * @param {ArrayBuffer} data
     * @param {AbortSignal} signal
     * @param {(bytes: number) => void} tellSent
     */
    async send(part, size, data, signal, tellSent) {
        if (this.isDirect) await this.sendToStore(part, data, signal, tellSent);
        else await this.sendToPage(part, size, data, signal, tellSent);
    }

    async sendToPage(part, size, data, signal, tellSent) {
        const address = `/api/uploads/part?${new URLSearchParams({ ...part, size })}`;
        const { status, text } = await sendBytes(address, data, {}, signal, tellSent);
        if (status === 200) return;
        throw explainAnswer(status, parseJson(text));
    }

    async sendToStore(part, data, signal, tellSent) {
        const { link, md5 } = await ask("/api/uploads/link", part, signal);
        let answer;
        try {
            answer = await sendBytes(link, data, { "content-md5": md5 }, signal, tellSent);
        } catch (error) {
            if (error instanceof Unreachable) await this.noteMiss(signal);
            throw error;
        }
        this.hasReached = true;
        if (answer.status === 200) return;
        // The store may have forgotten the upload: that is told, and ends it.
        await ask("/api/uploads/parts", part, signal);
        const text = `the store answered with ${answer.status}${readMessage(answer.text)}`;
        const key = `${part.upload} ${part.number}`;
        const count = (this.refusals.get(key) ?? 0) + (answer.status < 500 ? 1 : 0);
        this.refusals.set(key, count);
        throw count < REFUSALS ? new Unreachable(text) : new Refusal(text);
    }

    /** A browser is not told whether the network is away or the store lets it in; the page is asked. */
    async noteMiss(signal) {
        if (this.hasReached) return;
        const answer = await fetch("/health", { signal }).catch(() => null);
        if (!answer?.ok) return;
        this.misses += 1;
        if (this.misses < TRIES || !this.isDirect) return;
        this.isDirect = false;
        this.dispatchEvent(new Event("change"));
    }
}

function parseJson(text) {
    try {
        return JSON.parse(text);
    } catch {
        return {};
    }
}

function readMessage(text) {
    const found = /<Code>([^<]{1,80})<\/Code>/.exec(text);
    return found ? ` (${found[1]})` : "";
}
