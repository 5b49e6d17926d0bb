/** Uploads that nobody has finished, which can be gone on with, or removed. */

import { ask } from "./api.js";
import { formatMoment, formatSize } from "./pace.js";
import { make } from "./upload_row.js";

export class Unfinished {
    /**
     * @param {HTMLElement} section
     * @param {() => Set<string>} listActive Ids of the uploads that this page is at work on.
     * @param {(text: string) => void} announce
     */
    constructor(section, listActive, announce) {
        this.section = section;
        this.list = section.querySelector("ul");
        this.listActive = listActive;
        this.announce = announce;
    }

    async refresh() {
        let found;
        try {
            found = await ask("/api/uploads/unfinished");
        } catch {
            return; // what is shown stays
        }
        const active = this.listActive();
        const rows = found.uploads.filter((one) => !active.has(one.upload)).map((one) => this.makeRow(one));
        if (found.more) rows.push(make("li", "quiet", `and ${found.more} more, which began before these`));
        this.list.replaceChildren(...rows);
        this.section.hidden = !rows.length;
    }

    makeRow(one) {
        const row = make("li");
        const name = make("span", "", one.folder + one.name);
        const arrived = one.bytes ? `${formatSize(one.bytes)} arrived, ${formatMoment(one.last)}` : "nothing has arrived";
        const told = make("span", "quiet", arrived);
        const button = make("button", "", "Remove");
        button.type = "button";
        button.setAttribute("aria-label", `Remove: ${one.name}`);
        button.addEventListener("click", () => this.remove(one, button));
        row.append(name, told, button);
        return row;
    }

    async remove(one, button) {
        if (!confirm(`Remove what has arrived of ${one.name}? If somebody is just uploading it, that ends.`)) return;
        button.disabled = true;
        try {
            await ask("/api/uploads/remove", { folder: one.folder, name: one.name, upload: one.upload });
            this.announce(`${one.name} was removed`);
        } catch (error) {
            this.announce(`${one.name}: ${error.message}`);
        }
        await this.refresh();
        (this.list.querySelector("button") ?? document.getElementById("files")).focus();
    }
}
