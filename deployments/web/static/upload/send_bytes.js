/** Sends bytes and tells how many have gone; `fetch` does not. */

import { Unreachable } from "./api.js";

const LONGEST_SILENCE = 60_000; // milliseconds without progress after which a connection is dead
const LOOK = 5_000;

/**
 * Put bytes to an address.
 * @param {string} address
 * @param {ArrayBuffer} data
 * @param {Record<string, string>} headers
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} tellSent
 * @returns {Promise<{status: number, text: string}>}
 */
export function sendBytes(address, data, headers, signal, tellSent) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        let heard = Date.now();
        const watch = setInterval(() => {
            if (Date.now() - heard > LONGEST_SILENCE) request.abort();
        }, LOOK);
        const cancel = () => request.abort();
        const settle = (act) => () => {
            clearInterval(watch);
            signal.removeEventListener("abort", cancel);
            if (signal.aborted) reject(signal.reason);
            else act();
        };
        const lose = settle(() => reject(new Unreachable("the network is away")));
        request.open("PUT", address);
        for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
        request.upload.onprogress = ({ loaded }) => {
            heard = Date.now();
            tellSent(loaded);
        };
        request.onload = settle(() => resolve({ status: request.status, text: request.responseText }));
        request.onerror = lose;
        request.onabort = lose;
        signal.addEventListener("abort", cancel);
        request.send(data);
    });
}
