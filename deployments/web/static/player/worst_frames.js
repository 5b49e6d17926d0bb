/** The list of the worst frames, the worst first. */

/** Event: `pick` with a frame, and what is wrong in it. */
export class WorstFrames extends EventTarget {
    /**
     * @param {HTMLOListElement} list
     * @param {HTMLElement} note
     * @param {import("./frame_clock.js").FrameClock} clock
     */
    constructor(list, note, clock) {
        super();
        this.list = list;
        this.note = note;
        this.clock = clock;
        this.items = [];
        this.place = -1;
    }

    /** @param {{cutoff: number, frames: Array<{frame: number, points: Array, isReported: boolean}>}} found */
    fill({ cutoff, frames }) {
        this.note.textContent = frames.length
            ? `The worst first, by the run's cutoff of ${cutoff}; n and p go through them.`
            : "No body part is missing, under the cutoff, outside, or jumps.";
        this.items = frames.map((one, place) => this.createItem(one, place, frames.length));
        this.list.replaceChildren(...this.items.map(({ item }) => item));
    }

    createItem({ frame, points, isReported }, place, count) {
        const item = document.createElement("li"), button = document.createElement("button");
        const title = document.createElement("strong"), wrong = document.createElement("span");
        button.type = "button";
        title.textContent = `Frame ${frame} · ${this.clock.time(frame).toFixed(2)} s${isReported ? " · in the report" : ""}`;
        const told = points.map(describePoint).join(", ") || "lowest likelihood on average";
        wrong.textContent = told;
        button.append(title, wrong);
        item.append(button);
        button.addEventListener("click", () => this.pick(place));
        return { item, button, frame, told: `Worst frame ${place + 1} of ${count}, frame ${frame}: ${told}` };
    }

    /** Go to the next or the previous one in the list; after the last one comes the first. */
    step(by) {
        const { length } = this.items;
        if (!length) return;
        const from = this.place < 0 && by < 0 ? 0 : this.place;
        this.pick((from + by + length) % length);
    }

    pick(place) {
        this.place = place;
        const { frame, told, button } = this.items[place];
        scrollWithin(button, this.list.parentElement);
        this.dispatchEvent(new CustomEvent("pick", { detail: { frame, told } }));
    }

    /** Mark the frame that is shown. */
    mark(frame) {
        this.items.forEach(({ button, frame: mine }, place) => {
            if (mine === frame) {
                button.setAttribute("aria-current", "true");
                this.place = place;
            } else button.removeAttribute("aria-current");
        });
    }
}

function describePoint({ name, likelihood, reasons }) {
    const value = likelihood === null ? "" : ` ${likelihood.toFixed(2)}`;
    return `${name}${value} (${reasons.join(", ")})`;
}

/** Scroll a list, not the page. */
function scrollWithin(element, box) {
    const above = element.getBoundingClientRect().top - box.getBoundingClientRect().top;
    const below = element.getBoundingClientRect().bottom - box.getBoundingClientRect().bottom;
    if (above < 0) box.scrollTop += above;
    else if (below > 0) box.scrollTop += below;
}
