/** One file on its way into the inbox: found again, sent in parts, checked, and put together. */

import { Refusal, ask, persist } from "./api.js";
import { Pace } from "./pace.js";

const LANES = 2; // parts of a file that are under way at a time
const ROUNDS = 3; // times that parts are sent again that the store holds otherwise

/**
 * States: checking, comparing, refused, exists, queued, sending, finishing, arrived, paused, failed,
 * canceled. Event: `change`.
 */
export class Upload extends EventTarget {
    /**
     * @param {File} file
     * @param {string} folder
     * @param {string} name
     * @param {{digests: import("./digests.js").Digests, route: import("./route.js").Route}} services
     */
    constructor(file, folder, name, services) {
        super();
        Object.assign(this, { file, folder, name, ...services });
        this.pace = new Pace();
        this.waiting = ""; // why nothing goes now
        this.replaced = null;
        this.forgetParts();
        this.change("checking");
    }

    get size() {
        return this.file.size;
    }

    /** How the server is told which file this is. */
    get names() {
        return { folder: this.folder, name: this.name };
    }

    /** Bytes that are in the store. */
    get arrived() {
        let bytes = 0;
        for (const number of this.done) bytes += this.lengthOf(number);
        for (const loaded of this.loaded.values()) bytes += loaded;
        return bytes;
    }

    get isActive() {
        return ["checking", "comparing", "queued", "sending", "finishing"].includes(this.state);
    }

    change(state, message = "") {
        Object.assign(this, { state, message });
        this.dispatchEvent(new Event("change"));
    }

    /** Take what the server knows of this file, before any of it is sent. */
    async takeCheck(check) {
        this.check = check;
        this.count = Math.max(1, Math.ceil(this.size / (check.part_bytes || 1)));
        if (check.refusal) this.change("refused", check.refusal);
        else if (!check.existing) this.change("queued");
        else if (await this.isInInbox(check.existing)) this.change("arrived", "unchanged");
        else if (this.state !== "canceled") this.change("exists");
    }

    /** Whether the file that lies there is this one. */
    async isInInbox(existing) {
        if (existing.size !== this.size) return false;
        this.change("comparing");
        const digests = [];
        try {
            for (let number = 1; number <= this.count && this.state === "comparing"; number += 1) {
                digests.push((await this.digests.read(this.slice(number))).digest);
            }
            if (digests.length < this.count) return false;
            const etag = existing.etag?.replaceAll('"', "");
            return [await this.digests.combine(digests), digests.join()].includes(etag);
        } catch {
            return false;
        }
    }

    /** Replace the file of this name that was found. */
    replace() {
        this.replaced = this.check.existing.etag;
        this.change("queued");
    }

    pause() {
        this.stop("paused");
    }

    /** Give the upload up, and remove what has arrived of it. */
    async cancel() {
        this.stop("canceled");
        const upload = this.upload;
        this.forgetParts();
        if (upload) await ask("/api/uploads/remove", { ...this.names, upload }).catch(() => {});
        this.dispatchEvent(new Event("change"));
    }

    stop(state) {
        this.change(state);
        this.control?.abort();
    }

    /** Send what is missing; ends when the file has arrived, and when it is paused or fails. */
    async run() {
        const control = new AbortController();
        this.control = control;
        this.pace.forget();
        try {
            this.change("sending");
            if (!this.upload) await this.findUpload(control.signal);
            for (let round = 1; ; round += 1) {
                await this.sendMissing(control);
                this.change("finishing");
                const wrong = await this.finish(control.signal);
                if (!wrong.length) break;
                if (round === ROUNDS) throw new Refusal("the store holds something else than was sent, again and again; try another network");
                for (const number of wrong) this.forgetPart(number);
                this.change("sending");
            }
            this.change("arrived");
        } catch (error) {
            if (control.signal.aborted) return; // paused or canceled
            control.abort();
            if (error.status === 410) this.forgetParts();
            this.change("failed", error.message);
        } finally {
            this.waiting = "";
        }
    }

    /** Go on with an upload of this very file that broke off, or begin one. */
    async findUpload(signal) {
        let most = 0;
        for (const upload of this.check.unfinished) {
            const parts = await this.persist(() => ask("/api/uploads/parts", { ...this.names, upload }, signal).catch(passIfGone), signal);
            const usable = parts.filter(([number, size]) => number <= this.count && size === this.lengthOf(number));
            if (usable.length <= most) continue;
            const [number, , etag] = usable[0];
            const { digest } = await this.digests.read(this.slice(number));
            if (digest !== etag) continue;
            most = usable.length;
            this.upload = upload;
            this.known = new Map(usable.map(([one, , known]) => [one, known]));
        }
        if (this.upload) return;
        const begun = await this.persist(() => ask("/api/uploads/begin", { ...this.names, size: this.size }, signal), signal);
        this.upload = begun.upload;
        this.hasDigests = begun.has_digests;
    }

    async sendMissing(control) {
        const missing = [];
        for (let number = 1; number <= this.count; number += 1) {
            if (!this.done.has(number)) missing.push(number);
        }
        const lane = async () => {
            while (missing.length) await this.sendPart(missing.shift(), control.signal);
        };
        await Promise.all(Array.from({ length: LANES }, lane));
    }

    async sendPart(number, signal) {
        const { digest, data } = await this.digests.read(this.slice(number));
        signal.throwIfAborted();
        this.partDigests[number - 1] = digest;
        if (this.known.get(number) !== digest) {
            const part = { ...this.names, upload: this.upload, number, digest };
            const tellSent = (bytes) => {
                this.sent += bytes - (this.loaded.get(number) ?? 0);
                this.loaded.set(number, bytes);
                this.pace.note(this.sent);
                this.dispatchEvent(new Event("change"));
            };
            try {
                await this.persist(() => this.route.send(part, this.size, data, signal, tellSent), signal);
            } finally {
                this.loaded.delete(number);
            }
        }
        this.done.add(number);
        this.dispatchEvent(new Event("change"));
    }

    /** Have the parts put together; returns the numbers of those that must be sent again. */
    async finish(signal) {
        const { upload, size, replaced } = this;
        const body = { ...this.names, upload, size, replaced, digests: this.partDigests, has_digests: this.hasDigests };
        try {
            await this.persist(() => ask("/api/uploads/finish", body, signal), signal);
        } catch (error) {
            if (error.data?.parts?.length) return error.data.parts;
            throw error;
        }
        return [];
    }

    persist(call, signal) {
        return persist(call, signal, (reason) => {
            this.waiting = reason;
            this.pace.forget();
            this.dispatchEvent(new Event("change"));
        });
    }

    slice(number) {
        const start = (number - 1) * this.check.part_bytes;
        return this.file.slice(start, start + this.lengthOf(number));
    }

    lengthOf(number) {
        const { part_bytes: length } = this.check;
        return Math.min(length, this.size - (number - 1) * length);
    }

    forgetPart(number) {
        this.done.delete(number);
        this.known.delete(number);
    }

    forgetParts() {
        this.upload = null;
        this.hasDigests = true;
        this.sent = 0; // bytes that have gone from here
        this.known = new Map(); // digests of parts that are in the store, as it lists them
        this.done = new Set();
        this.loaded = new Map();
        this.partDigests = [];
    }
}

function passIfGone(error) {
    if (error.status !== 410) throw error;
    return [];
}
