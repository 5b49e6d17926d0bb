/** Which movie is played: the original one, or the labeled one, and why. */

import { FrameClock } from "./frame_clock.js";

const find = (id) => document.getElementById(id);

/** Event: `change` when another movie is shown. */
export class PictureChoice extends EventTarget {
    /**
     * @param {object} facts
     * @param {object} arrays
     * @param {import("./movie_view.js").MovieView} view
     * @param {import("./overlay.js").Overlay} overlay
     */
    constructor(facts, arrays, view, overlay) {
        super();
        this.view = view;
        this.overlay = overlay;
        this.reason = facts.noOriginal;
        this.drawsOnBlack = facts.keypointsOnly;
        this.isChosenByHand = false;
        this.pictures = {};
        for (const name of ["original", "labeled"]) {
            const picture = facts[name];
            if (!picture) continue;
            const clock = new FrameClock(facts.frames, picture.times, arrays[name]);
            this.pictures[name] = { ...picture, clock };
        }
        find("movie").addEventListener("loadedmetadata", () => this.fitPicture());
    }

    /** Play one of them; by default the original, on which nothing is drawn yet. */
    open(name, frame) {
        this.isChosenByHand = Boolean(this.pictures[name]);
        this.show(this.pictures[name] ? name : Object.keys(this.pictures)[0], frame);
    }

    /** Change to another one, at the same frame. */
    choose(name) {
        if (!this.pictures[name] || name === this.name) {
            this.markChoice();
            return;
        }
        this.isChosenByHand = true;
        this.show(name, this.view.frame);
    }

    /** The browser cannot play it: take the other one. */
    fallBack() {
        delete this.pictures[this.name];
        if (this.name === "original") this.reason = "this browser cannot play it";
        this.isChosenByHand = false;
        this.show(Object.keys(this.pictures)[0], this.view.wanted);
    }

    show(name, frame) {
        this.name = name;
        this.markChoice();
        find("picture-note").textContent = this.describe();
        find("picture").hidden = find("play").disabled = !name;
        if (!name) {
            this.overlay.space = null;
            this.view.close();
            this.view.goTo(frame);
            return;
        }
        this.overlay.space = this.pictures[name];
        this.view.open(this.pictures[name], frame);
        this.dispatchEvent(new Event("change"));
    }

    markChoice() {
        document.getElementById("player").dataset.picture = this.name || "";
        for (const input of find("pictures").querySelectorAll("input")) {
            input.checked = input.value === this.name;
            input.disabled = !this.pictures[input.value];
        }
    }

    describe() {
        const notes = find("picture-note").dataset.notes;
        const told = {
            original: "Points are drawn over the original movie.",
            labeled: "Points are drawn over the labeled movie, which has dots in it already"
                + `${this.reason ? `: ${this.reason}` : ""}.`,
        }[this.name];
        return [told || `There is no movie that this browser can play${this.reason ? `: ${this.reason}` : ""}.`, notes].filter(Boolean).join(" ");
    }

    fitPicture() {
        const { videoWidth, videoHeight } = find("movie");
        const picture = find("picture");
        picture.style.aspectRatio = `${videoWidth} / ${videoHeight}`;
        // Traces are to be seen along with it, where the window is high enough.
        picture.style.maxWidth = `calc(max(42vh, 15rem) * ${videoWidth / videoHeight})`;
    }
}
