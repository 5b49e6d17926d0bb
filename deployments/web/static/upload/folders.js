/** The folders of the inbox, and what is made of movies in the chosen one. */

import { ask } from "./api.js";

export class Folders {
    constructor(select, note, inbox) {
        Object.assign(this, { select, note, inbox });
        this.found = [];
        this.problem = "";
        select.addEventListener("change", () => this.show());
    }

    get path() {
        return this.select.value;
    }

    async load() {
        try {
            const { folders, problem } = await ask("/api/uploads/folders");
            this.found = folders;
            this.problem = problem;
        } catch (error) {
            this.problem = `what becomes of movies here cannot be told now: ${error.message}`;
        }
        if (this.found.length) {
            const chosen = this.path;
            this.select.replaceChildren(...this.found.map(({ path }) => new Option(`${this.inbox}${path}`, path)));
            this.select.value = this.found.some(({ path }) => path === chosen) ? chosen : "";
        }
        this.show();
    }

    show() {
        const folder = this.found.find(({ path }) => path === this.path);
        const problem = this.problem || (folder?.problem && `nothing will be run for movies in this folder: ${folder.problem}`);
        this.note.classList.toggle("problem", Boolean(problem));
        this.note.classList.toggle("quiet", !problem);
        if (problem) this.note.textContent = `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`;
        else if (folder) this.note.textContent = describe(folder);
    }
}

function describe({ model, output, waits }) {
    const how = waits
        ? "All movies of this folder are analyzed in one run, once they have been there unchanged for a while,"
        : "Each movie is analyzed as soon as it has arrived,";
    return `${how} with ${model}; results go below ${output}.`;
}
