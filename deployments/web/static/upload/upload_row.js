/** A file in the list: its name, how far it is, and what can be done with it. */

import { formatLeft, formatMoment, formatSize } from "./pace.js";

const ACTIONS = {
    checking: ["cancel"],
    comparing: ["cancel"],
    queued: ["pause", "cancel"],
    sending: ["pause", "cancel"],
    finishing: ["cancel"],
    paused: ["resume", "cancel"],
    failed: ["retry", "cancel"],
    exists: ["rename", "replace", "dismiss"],
    refused: ["dismiss"],
    arrived: ["dismiss"],
};
const LABELS = {
    pause: "Pause", resume: "Go on", cancel: "Cancel", retry: "Try again", dismiss: "Close",
    rename: "Keep both", replace: "Replace it",
};
const WORDS = {
    checking: "looking at the inbox…",
    comparing: "comparing it with the file of this name in the inbox…",
    queued: "waiting for its turn",
    finishing: "all is sent; the store puts it together…",
};

export class UploadRow {
    /**
     * @param {import("./upload.js").Upload} upload
     * @param {(action: string, row: UploadRow) => void} act
     */
    constructor(upload, act) {
        this.upload = upload;
        this.act = act;
        this.element = make("li", "upload");
        this.name = make("b", "name");
        this.buttons = make("span", "buttons");
        this.bar = make("progress");
        this.told = make("p", "told quiet");
        const head = make("div", "upload-head");
        head.append(this.name, this.buttons);
        this.element.append(head, this.bar, this.told);
        this.element.tabIndex = -1;
        upload.addEventListener("change", () => this.show());
        this.show();
    }

    show() {
        const { upload } = this;
        this.name.textContent = upload.name;
        this.bar.max = Math.max(1, upload.size);
        this.bar.value = upload.state === "arrived" ? this.bar.max : upload.arrived;
        this.bar.setAttribute("aria-label", upload.name);
        this.bar.hidden = ["refused", "exists", "arrived"].includes(upload.state);
        if (this.element.dataset.state !== upload.state) this.showState();
        if (upload.state !== "arrived") this.told.textContent = this.describe();
    }

    showState() {
        const { state } = this.upload;
        this.element.dataset.state = state;
        const hadFocus = this.buttons.contains(document.activeElement);
        this.buttons.replaceChildren(...(ACTIONS[state] ?? []).map((action) => {
            const button = make("button", action === "cancel" || action === "dismiss" ? "plain" : "");
            button.type = "button";
            button.textContent = LABELS[action];
            button.setAttribute("aria-label", `${LABELS[action]}: ${this.upload.name}`);
            button.addEventListener("click", () => this.act(action, this));
            return button;
        }));
        if (hadFocus) (this.buttons.firstElementChild ?? this.element).focus();
        if (state === "arrived") this.told.textContent = "in the inbox";
    }

    describe() {
        const { upload } = this;
        const size = formatSize(upload.size);
        switch (upload.state) {
            case "refused":
                return upload.message;
            case "failed":
                return `${upload.message}.`;
            case "exists": {
                const { size: there, modified } = upload.check.existing;
                return `The inbox holds a file of this name already, with ${there === upload.size ? "as many bytes but other content" : formatSize(there)}, since ${formatMoment(modified)}; nothing is replaced unless you say so.`;
            }
            case "paused":
                return `paused: ${formatSize(upload.arrived)} of ${size} are in the store`;
            case "sending":
                return this.describePace(size);
            default:
                return `${size}, ${WORDS[upload.state] ?? ""}`;
        }
    }

    describePace(size) {
        const { upload } = this;
        const parts = [`${formatSize(upload.arrived)} of ${size}`];
        if (upload.waiting) return `${parts[0]}; ${upload.waiting}: it goes on by itself`;
        const { speed } = upload.pace;
        if (speed > 0) parts.push(`${formatSize(Math.round(speed))}/s`, `${formatLeft((upload.size - upload.arrived) / speed)} left`);
        return parts.join(", ");
    }

    /** Show what the inbox has made of a file that has arrived. */
    showStanding({ text, links }) {
        this.told.replaceChildren(text);
        for (const [label, address] of links) {
            const link = make("a");
            link.textContent = label;
            link.href = address;
            this.told.append(" ", link);
        }
    }
}

/** Make an element; text is put into it as text, whatever it is. */
export function make(kind, style = "", text = "") {
    const element = document.createElement(kind);
    if (style) element.className = style;
    if (text) element.textContent = text;
    return element;
}
