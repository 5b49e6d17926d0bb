// The form that starts a run: what is picked and entered is checked, planned, and then started.
import { Crop } from "./crop.js";
import { fetchFragment, makeElement, send, toQuery } from "./fragments.js";
import { countExpert, focusProblem, readSettings, showProblems, writeBodyParts, writeSettings } from "./form_values.js";
import { Chosen, List } from "./movie_picker.js";

const DRAFT = "start a run"; // in this tab only
const TYPING = 400; // milliseconds after the last key
const LATER = new Set(["model", "movies", "output"]); // what may be missing until one has checked

const form = document.getElementById("start");
const output = document.getElementById("output");
const plan = document.getElementById("plan");
const check = document.getElementById("check");
const facts = document.getElementById("model-facts");
const general = document.getElementById("form-problem");

let model = null; // location and address of the model that is chosen
let ownOutput = false; // whether a person has named the output
let checking = 0; // number of the last check
let timer = 0;
let looking = null;
let draft = readDraft();

const crop = new Crop(noteChange);
const chosen = new Chosen(document.getElementById("chosen"), document.getElementById("chosen-title"), () => {
    markMovies();
    crop.offer([...chosen.picks.values()].slice(0, 100));
    suggestOutput();
    noteChange();
});
const models = new List("/api/start/models", document.getElementById("models"), document.getElementById("model-search"), markModel);
const movies = new List("/api/start/movies/", document.getElementById("movies"), document.getElementById("movie-search"), markMovies);

function readDraft() {
    try {
        return JSON.parse(sessionStorage.getItem(DRAFT)) ?? {};
    } catch {
        return {};
    }
}

function saveDraft() {
    const picks = [...chosen.picks.values()].map(({ location, name, address, first, firstName, movies: count }) => ({
        location, name, address, first, firstName, movies: count,
    }));
    const values = { ...(draft.settings?.displayed_body_parts && !hasBodyParts() ? draft.settings : {}), ...readSettings() };
    draft = { model, picks, settings: values, output: ownOutput ? output.value : "" };
    try {
        sessionStorage.setItem(DRAFT, JSON.stringify(draft));
    } catch {
        // There is no room, or it is not allowed: a reload then begins anew.
    }
}

function hasBodyParts() {
    return form.querySelector("input[name=displayed_body_parts]") !== null;
}

function request() {
    return { model: model?.location ?? "", movies: chosen.locations, output: output.value.trim(), settings: readSettings() };
}

// A plan holds for what was checked: any change takes it back.
function noteChange() {
    checking += 1;
    plan.replaceChildren();
    general.hidden = true;
    check.disabled = false;
    countExpert();
    saveDraft();
    clearTimeout(timer);
    timer = setTimeout(checkFields, TYPING);
}

// What was wrong and is no longer, and what is wrong with settings, is seen while one types.
async function checkFields() {
    const number = checking;
    try {
        const { problems } = await send("/api/start/fields", request());
        if (number !== checking) return;
        const shown = Object.entries(problems).filter(([name]) => !LATER.has(name) || isMarked(name));
        showProblems(Object.fromEntries(shown));
    } catch {
        // The check says it.
    }
}

function isMarked(name) {
    return !form.querySelector(`[data-problem="${name}"]`).hidden;
}

function markModel() {
    for (const field of models.rows.querySelectorAll("input[type=radio]")) field.checked = field.value === model?.location;
    const all = [...models.rows.querySelectorAll("input[type=radio]")];
    if (!model && all.length === 1 && !models.search.value) chooseModel(all[0].value, all[0].dataset.address);
}

function markMovies() {
    for (const field of movies.rows.querySelectorAll("input[type=checkbox]")) field.checked = chosen.picks.has(field.value);
}

function chooseModel(location, address, settings = {}) {
    model = { location, address };
    markModel();
    showModel(settings);
    noteChange();
}

async function showModel(settings) {
    looking?.abort();
    looking = new AbortController();
    try {
        const query = toQuery({ shuffle: settings.shuffle, snapshot: settings.snapshot });
        const nodes = await fetchFragment(`/api/start/model/${model.address}?${query}`, facts, looking.signal);
        const focused = document.activeElement?.name;
        const inside = facts.contains(document.activeElement);
        for (const part of nodes.querySelectorAll("[data-into]")) {
            document.getElementById(part.dataset.into).replaceChildren(...part.childNodes);
        }
        if (inside) facts.querySelector(`[name="${CSS.escape(focused)}"]`)?.focus();
        writeBodyParts(draft.settings ?? {});
        saveDraft();
    } catch (error) {
        if (error.name !== "AbortError") facts.replaceChildren(makeElement("p", error.message, { class: "problem" }));
    }
}

function suggestOutput() {
    if (ownOutput || !output.dataset.folder) return;
    const picks = [...chosen.picks.values()];
    const names = picks.map((pick) => (pick.movies ? pick.name.replace(/\/+$/, "").split("/").pop() : pick.name.replace(/\.[^.]*$/, "")));
    const named = names.length === 1 ? names[0] : names.length ? `${names[0]}-and-${names.length - 1}-more` : "run";
    const now = new Date();
    const two = (number) => String(number).padStart(2, "0");
    const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}`;
    const folder = output.dataset.folder.replace(/\/?$/, "/");
    output.value = `${folder}${named.replace(/[*?[\]/\\]/g, "_")}-${day}/`;
}

models.rows.addEventListener("change", (event) => {
    if (event.target.name === "model-choice") chooseModel(event.target.value, event.target.dataset.address);
});
movies.rows.addEventListener("change", (event) => {
    const field = event.target;
    if (field.name !== "movie-choice") return;
    const { name, address, first, firstName, movies: count } = field.dataset;
    if (field.checked) chosen.add({ location: field.value, name, address, first, firstName, movies: count });
    else chosen.remove(field.value);
});
movies.rows.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-folder]");
    if (!button) return;
    movies.search.value = "";
    movies.address = `/api/start/movies/${button.dataset.folder}`;
    movies.load({ page: "" });
});
form.addEventListener("input", (event) => {
    if (event.target === output) ownOutput = output.value.trim() !== "";
    if (event.target.matches("[data-default], #output, [name=displayed_body_parts]")) noteChange();
});
facts.addEventListener("change", (event) => {
    const { name } = event.target;
    if (!["shuffle", "snapshot"].includes(name) || !model) return;
    const settings = readSettings();
    if (name === "shuffle") delete settings.snapshot; // another shuffle has other ones
    showModel(settings);
});
form.addEventListener("click", (event) => {
    const choice = event.target.dataset?.parts;
    if (choice) {
        for (const part of form.querySelectorAll("input[name=displayed_body_parts]")) part.checked = choice === "all";
        noteChange();
    }
    if (event.target.id === "run") start(event.target);
});
form.addEventListener("submit", (event) => {
    event.preventDefault();
    makePlan();
});

async function makePlan() {
    clearTimeout(timer);
    checking += 1;
    const number = checking;
    general.hidden = true;
    check.disabled = true;
    plan.replaceChildren(makeElement("p", "Checking…", { class: "later" }));
    try {
        const answer = await send("/api/start/plan", request());
        if (number !== checking) return;
        chosen.showProblems({});
        let problems = answer.problems;
        if (answer.plan) {
            const nodes = await fetchFragment(`/api/start/plan/${answer.plan}`, plan);
            if (number !== checking) return;
            const found = nodes.querySelector(".plan").dataset;
            plan.replaceChildren(nodes);
            problems = JSON.parse(found.problems);
            chosen.showProblems(JSON.parse(found.entries));
        } else plan.replaceChildren();
        const { "": rest, ...named } = problems;
        const homeless = showProblems(answer.plan ? named : problems);
        if (homeless.length) showGeneral(homeless.join(" "));
        if (Object.keys(problems).length) focusProblem();
        else document.getElementById("run")?.focus();
    } catch (error) {
        if (number !== checking) return;
        plan.replaceChildren();
        showGeneral(error.message);
    } finally {
        if (number === checking) check.disabled = false;
    }
}

async function start(button) {
    button.disabled = true;
    try {
        const { address } = await send(`/api/start/run/${button.dataset.key}`);
        sessionStorage.removeItem(DRAFT);
        location.assign(address);
    } catch (error) {
        button.disabled = false;
        showGeneral(error.message);
    }
}

function showGeneral(text) {
    general.textContent = text;
    general.hidden = false;
}

function begin() {
    const old = draft;
    if (old.output) {
        output.value = old.output;
        ownOutput = true;
    }
    writeSettings(old.settings ?? {});
    for (const pick of old.picks ?? []) chosen.add(pick);
    draft = old;
    if (old.model) chooseModel(old.model.location, old.model.address, old.settings);
    suggestOutput();
    models.load();
    movies.load();
}

begin();
