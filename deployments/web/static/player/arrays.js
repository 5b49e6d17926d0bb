/** Arrays from the page's server, in the form of safetensors; see docs/web.md. */

const KINDS = { F32: Float32Array, F64: Float64Array, I32: Int32Array };

/**
 * Fetch arrays and facts.
 *
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @returns {Promise<{arrays: Object<string, Float32Array|Float64Array|Int32Array>, facts: any}>}
 * @throws {Error} With the server's own sentence.
 */
export async function fetchArrays(address, signal) {
    const answer = await fetch(address, { signal });
    if (!answer.ok) throw await readProblem(answer);
    return parseArrays(await answer.arrayBuffer());
}

/** Fetch what is JSON. */
export async function fetchJson(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw await readProblem(answer);
    return answer.json();
}

/** @param {ArrayBuffer} buffer */
export function parseArrays(buffer) {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    const { __metadata__: metadata, ...described } = header;
    const arrays = {};
    for (const [name, { dtype, data_offsets: [begin, end] }] of Object.entries(described)) {
        const Kind = KINDS[dtype];
        arrays[name] = new Kind(buffer, 8 + length + begin, (end - begin) / Kind.BYTES_PER_ELEMENT);
    }
    return { arrays, facts: JSON.parse(metadata.facts) };
}

async function readProblem(answer) {
    const problem = await answer.json().catch(() => ({}));
    const error = new Error(problem.error || `The page's server answered with status ${answer.status}.`);
    error.status = answer.status;
    return error;
}
