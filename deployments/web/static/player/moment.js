/** A moment of a movie, and what is drawn at it, as the part of an address after #. */

/**
 * @typedef {object} Moment
 * @property {number} [frame]
 * @property {number} [t] Seconds, in place of a frame.
 * @property {string[]} [parts] Names of the keypoints whose traces are drawn.
 * @property {string[]} [show] Quantities that are drawn.
 * @property {[number, number]} [zoom] Begin and end of what is in view, in seconds.
 * @property {number} [cutoff]
 * @property {number} [dot]
 * @property {string} [picture] original or labeled.
 */

const NUMBERS = ["frame", "t", "cutoff", "dot"];
const LISTS = ["parts", "show"];

/** @returns {Moment} */
export function parseMoment(hash) {
    const moment = {};
    for (const field of hash.replace(/^#/, "").split("&")) {
        const [name, text = ""] = field.split("=");
        if (NUMBERS.includes(name) && text && Number.isFinite(Number(text))) moment[name] = Number(text);
        else if (LISTS.includes(name)) moment[name] = text.split(",").filter(Boolean).map(decode);
        else if (name === "zoom") {
            const zoom = text.split("..").map(Number);
            if (zoom.length === 2 && zoom.every(Number.isFinite) && zoom[0] < zoom[1]) moment.zoom = zoom;
        } else if (name === "picture") moment.picture = text;
    }
    return moment;
}

/** @param {Moment} moment */
export function formatMoment(moment) {
    const fields = [];
    for (const name of NUMBERS) if (moment[name] !== undefined) fields.push(`${name}=${moment[name]}`);
    for (const name of LISTS) if (moment[name]) fields.push(`${name}=${moment[name].map(encode).join(",")}`);
    if (moment.zoom) fields.push(`zoom=${moment.zoom.map((time) => time.toFixed(4)).join("..")}`);
    if (moment.picture) fields.push(`picture=${moment.picture}`);
    return `#${fields.join("&")}`;
}

function encode(name) {
    return encodeURIComponent(name);
}

function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
