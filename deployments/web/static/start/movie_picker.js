// Models and movies to pick from, as the server lists them.
import { fetchFragment, makeElement, toQuery } from "./fragments.js";

const TYPING = 250; // milliseconds after the last key
const AGAIN = 1500; // until a list is asked for anew that is being made
const MAX_LOOKS = 20; // movies that are looked into by themselves: the check looks into all

// A list that is searched, paged, and filled anew while the store is being looked at.
export class List {
    constructor(address, rows, search, onLoaded) {
        Object.assign(this, { address, rows, search, onLoaded });
        this.values = { page: "" };
        this.busy = null;
        this.timer = 0;
        search.addEventListener("input", () => this.loadSoon());
        search.addEventListener("keydown", (event) => {
            if (event.key === "Enter") event.preventDefault(); // which would send the form
        });
        rows.addEventListener("click", (event) => {
            const button = event.target.closest("button[data-page]");
            if (button) this.load({ page: button.dataset.page });
        });
    }

    loadSoon() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.load({ page: "" }), TYPING);
    }

    async load(changes = {}) {
        clearTimeout(this.timer);
        this.busy?.abort();
        this.busy = new AbortController();
        Object.assign(this.values, changes, { q: this.search.value.trim() });
        const had = this.rows.contains(document.activeElement);
        try {
            const query = toQuery(this.values);
            const nodes = await fetchFragment(`${this.address}?${query}`, this.rows, this.busy.signal);
            this.rows.replaceChildren(nodes);
        } catch (error) {
            if (error.name === "AbortError") return;
            this.rows.replaceChildren(makeElement("p", error.message, { class: "problem" }));
        }
        if (this.rows.querySelector("[data-looking=yes]")) {
            this.timer = setTimeout(() => this.load(), AGAIN);
        }
        this.onLoaded();
        if (had) this.rows.querySelector("input, button:not([disabled])")?.focus();
    }
}

// The movies and folders that have been picked, with what is known of each.
export class Chosen {
    constructor(list, title, onChange) {
        Object.assign(this, { list, title, onChange });
        this.picks = new Map();
        list.addEventListener("click", (event) => {
            const button = event.target.closest("button[data-remove]");
            if (button) this.remove(button.dataset.remove, true);
        });
    }

    add(pick) {
        if (this.picks.has(pick.location)) return;
        this.picks.set(pick.location, pick);
        const row = makeElement("li");
        const head = makeElement("div", "", { class: "head" });
        head.append(makeElement("b", pick.name));
        if (pick.movies) head.append(makeElement("span", `${pick.movies} movie${pick.movies === "1" ? "" : "s"}`, { class: "quiet" }));
        const button = makeElement("button", "Remove", { type: "button", class: "plain small", "data-remove": pick.location });
        button.setAttribute("aria-label", `Remove ${pick.name}`);
        head.append(button);
        pick.row = row;
        pick.facts = makeElement("div", "", { class: "movie-facts" });
        pick.problem = makeElement("p", "", { class: "field-problem", hidden: "" });
        row.append(head, pick.problem, pick.facts);
        this.list.append(row);
        if (pick.address && this.picks.size <= MAX_LOOKS) this.look(pick);
        this.show();
    }

    async look(pick) {
        try {
            const nodes = await fetchFragment(`/api/start/movie/${pick.address}`, pick.facts);
            pick.facts.replaceChildren(nodes);
        } catch (error) {
            pick.facts.replaceChildren(makeElement("p", error.message, { class: "field-problem" }));
        }
    }

    remove(location, hadFocus = false) {
        const pick = this.picks.get(location);
        if (!pick) return;
        this.picks.delete(location);
        const next = pick.row.nextElementSibling ?? pick.row.previousElementSibling;
        pick.row.remove();
        if (hadFocus) (next?.querySelector("button") ?? document.getElementById("movie-search")).focus();
        this.show();
    }

    show() {
        const count = this.picks.size;
        this.title.hidden = count === 0;
        this.title.textContent = `${count} chosen`;
        this.onChange();
    }

    showProblems(entries) {
        for (const [location, pick] of this.picks) {
            const text = entries[location] ?? "";
            pick.problem.textContent = text;
            pick.problem.hidden = !text;
        }
    }

    get locations() {
        return [...this.picks.keys()];
    }
}

// What is known of a movie's frames: its size, and where a picture of one is.
export async function readFrame(address, target) {
    const nodes = await fetchFragment(`/api/start/movie/${address}`, target);
    const found = nodes.querySelector("div").dataset;
    return found.width ? { width: Number(found.width), height: Number(found.height), picture: found.picture } : null;
}
