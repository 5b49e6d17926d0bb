/** Questions to the page's own server, and what is waited for between two tries. */

const FIRST_PAUSE = 1_000; // milliseconds
const LONGEST_PAUSE = 30_000;

/** What was asked for is not going to happen; the message says why. */
export class Refusal extends Error {
    constructor(message, status = 0, data = {}) {
        super(message);
        Object.assign(this, { status, data });
    }
}

/** The network, the page, or the store is away; another try may succeed. */
export class Unreachable extends Error {}

/**
 * Ask the page.
 * @param {string} path
 * @param {object} [body] Sent as JSON; without it, the request changes nothing.
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(path, body, signal) {
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
    let answer;
    try {
        answer = await fetch(path, body === undefined ? { signal } : post);
    } catch (error) {
        signal?.throwIfAborted();
        throw new Unreachable("the page cannot be reached");
    }
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    throw explainAnswer(answer.status, data);
}

/** The error that stands for an answer of the page. */
export function explainAnswer(status, data) {
    const text = data.error ?? `the page answered with ${status}`;
    return status >= 500 || status === 429 ? new Unreachable(text) : new Refusal(text, status, data);
}

/**
 * Try again, with longer and longer pauses, as long as something cannot be reached.
 * @param {() => Promise<any>} call
 * @param {AbortSignal} signal
 * @param {(reason: string) => void} tellWaiting Called before each pause; with nothing at its end.
 */
export async function persist(call, signal, tellWaiting) {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
        signal.throwIfAborted();
        try {
            return await call();
        } catch (error) {
            if (!(error instanceof Unreachable)) throw error;
            tellWaiting(error.message);
            await wait(pause, signal);
            tellWaiting("");
        }
    }
}

/** Wait, or until the network is back. */
export function wait(milliseconds, signal) {
    return new Promise((resolve, reject) => {
        const end = () => {
            clearTimeout(timer);
            removeEventListener("online", end);
            signal.removeEventListener("abort", end);
            if (signal.aborted) reject(signal.reason);
            else resolve();
        };
        const timer = setTimeout(end, milliseconds);
        addEventListener("online", end);
        signal.addEventListener("abort", end);
    });
}
