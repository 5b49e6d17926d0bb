/** What the inbox makes of files that have arrived: asked again and again until that is settled. */

import { ask } from "./api.js";

const FIRST_PAUSE = 2_000; // milliseconds
const LONGEST_PAUSE = 20_000;
const SETTLED = ["current", "failed", "refused", "alone", "absent"];

/** Whether an address may be followed: Prefect names it, who may be anybody. */
const isWeb = (address) => /^https?:\/\//.test(address);

export class Standings {
    constructor() {
        this.rows = new Map(); // the runs of rows that are not settled, as far as they are known
        this.pause = FIRST_PAUSE;
        this.timer = 0;
    }

    /** Watch a file that has arrived. */
    add(row) {
        this.rows.set(row, "");
        this.pause = FIRST_PAUSE;
        this.plan();
    }

    remove(row) {
        this.rows.delete(row);
    }

    plan() {
        clearTimeout(this.timer);
        if (!this.rows.size) return;
        this.timer = setTimeout(() => this.look(), this.pause);
        this.pause = Math.min(1.3 * this.pause, LONGEST_PAUSE);
    }

    async look() {
        const rows = [...this.rows.keys()];
        try {
            const found = await ask("/api/uploads/standings", rows.map((row) => row.upload.names));
            found.forEach((standing, index) => this.take(rows[index], standing));
        } catch (error) {
            for (const row of rows) row.showStanding({ text: `In the inbox. What becomes of it cannot be told now: ${error.message}.`, links: [] });
        }
        this.plan();
    }

    take(row, standing) {
        if (!this.rows.has(row)) return;
        const run = isWeb(standing.run) ? standing.run : this.rows.get(row);
        this.rows.set(row, run);
        row.element.dataset.standing = standing.state;
        row.showStanding(describe(standing, run));
        if (!standing.problem && SETTLED.includes(standing.state)) this.rows.delete(row);
    }
}

function describe({ state, reason, problem, result }, run) {
    const links = [];
    if (result) links.push(["Its results", `/runs/${result}`]);
    if (run) links.push(["Its run in Prefect", run]);
    return { text: findWords(state, reason, problem), links };
}

function findWords(state, reason, problem) {
    if (problem) return `In the inbox, but ${problem}.`;
    switch (state) {
        case "due":
            return "In the inbox. Its run starts within seconds, or at the inbox's next look.";
        case "waiting":
            return `In the inbox: ${reason}.`;
        case "started":
            return `The inbox has seen it: ${reason.replace(/^now: /, "")}.`;
        case "current":
            return "Analyzed.";
        case "refused":
            return `The inbox refuses it: ${reason}.`;
        case "alone":
            return `In the inbox; ${reason}.`;
        default:
            return `${reason}.`;
    }
}
