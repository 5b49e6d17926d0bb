/** Body parts: their marks, which of them are chosen, and their values at the frame that is shown. */

import { createSwatch } from "./marks.js";

const COLUMNS = [["likelihood", 2], ["x", 1], ["y", 1], ["speed", 0]];

/** Event: `change` when other keypoints are chosen. */
export class Legend extends EventTarget {
    /**
     * @param {HTMLTableSectionElement} body
     * @param {Array<{name: string, color: string, variant: number}>} keypoints
     * @param {import("./poses.js").Poses} poses
     */
    constructor(body, keypoints, poses) {
        super();
        this.poses = poses;
        this.rows = keypoints.map((keypoint) => createRow(keypoint));
        body.replaceChildren(...this.rows.map(({ row }) => row));
        body.addEventListener("change", () => this.dispatchEvent(new Event("change")));
    }

    /** Places of the chosen keypoints. */
    get chosen() {
        return this.rows.flatMap(({ box }, place) => (box.checked ? [place] : []));
    }

    /** @param {boolean[]} chosen */
    choose(chosen) {
        this.rows.forEach(({ box }, place) => { box.checked = chosen[place]; });
    }

    chooseAll(isChosen) {
        this.choose(this.rows.map(() => isChosen));
        this.dispatchEvent(new Event("change"));
    }

    /** Show a frame's values; those of points under the cutoff are dimmed. */
    show(frame, cutoff) {
        this.rows.forEach(({ row, cells }, place) => {
            COLUMNS.forEach(([quantity, digits], column) => {
                const value = this.poses.value(quantity, place, frame);
                cells[column].textContent = Number.isFinite(value) ? value.toFixed(digits) : "–";
            });
            row.classList.toggle("unsure", !(this.poses.value("likelihood", place, frame) > cutoff));
        });
    }

    clear() {
        for (const { cells } of this.rows) for (const cell of cells) cell.textContent = "";
    }
}

function createRow(keypoint) {
    const row = document.createElement("tr"), name = document.createElement("th");
    const label = document.createElement("label"), box = document.createElement("input");
    const text = document.createElement("span");
    name.scope = "row";
    box.type = "checkbox";
    text.textContent = keypoint.name;
    label.append(box, createSwatch(keypoint), text);
    name.append(label);
    const cells = COLUMNS.map(() => document.createElement("td"));
    row.append(name, ...cells);
    return { row, box, cells };
}
