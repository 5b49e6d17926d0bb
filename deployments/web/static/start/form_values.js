// What has been entered into the settings, and what is wrong, at its field.

const form = document.getElementById("start");
const SELECTOR = "input[data-default], select[data-default]";

// The settings that differ from their defaults, by the names of their fields.
export function readSettings() {
    const values = {};
    for (const field of form.querySelectorAll(SELECTOR)) {
        const value = field.type === "checkbox" ? String(field.checked) : field.value.trim();
        if (value !== field.dataset.default) values[field.name] = value;
        // What a browser cannot take for a number it hands out as nothing.
        if (field.validity.badInput) values[field.name] = "not a number";
    }
    const parts = [...form.querySelectorAll("input[name=displayed_body_parts]")];
    const chosen = parts.filter((one) => one.checked);
    if (chosen.length < parts.length) values.displayed_body_parts = chosen.map((one) => one.value);
    return values;
}

export function writeSettings(values) {
    for (const field of form.querySelectorAll(SELECTOR)) {
        if (!(field.name in values)) continue;
        if (field.type === "checkbox") field.checked = values[field.name] === "true";
        else field.value = values[field.name];
    }
    writeBodyParts(values);
    if (form.querySelector("#expert").querySelectorAll(SELECTOR).length && countExpert()) {
        form.querySelector("#expert").open = true;
    }
}

export function writeBodyParts(values) {
    if (!Array.isArray(values.displayed_body_parts)) return;
    for (const part of form.querySelectorAll("input[name=displayed_body_parts]")) {
        part.checked = values.displayed_body_parts.includes(part.value);
    }
}

export function countExpert() {
    const names = Object.keys(readSettings());
    const expert = document.getElementById("expert");
    const changed = names.filter((name) => expert.querySelector(`[name="${CSS.escape(name)}"]`));
    document.getElementById("expert-count").textContent = changed.length ? `(${changed.length} changed)` : "";
    return changed.length;
}

// Show each problem at its field; those that have no place are returned.
export function showProblems(problems, names = null) {
    for (const place of form.querySelectorAll("[data-problem]")) {
        if (names && !names.includes(place.dataset.problem)) continue;
        setProblem(place, "");
    }
    const homeless = [];
    for (const [name, text] of Object.entries(problems)) {
        const place = form.querySelector(`[data-problem="${CSS.escape(name || "settings")}"]`);
        if (!place) homeless.push(name ? `${name}: ${text}` : text);
        else if (!names || names.includes(name)) setProblem(place, text);
    }
    return homeless;
}

function setProblem(place, text) {
    const name = place.dataset.problem;
    place.textContent = text;
    place.hidden = !text;
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
        if (text) field.setAttribute("aria-invalid", "true");
        else field.removeAttribute("aria-invalid");
    }
    if (text && place.closest("details")) place.closest("details").open = true;
}

// Go to the first field that something is wrong with.
export function focusProblem() {
    const place = form.querySelector("[data-problem]:not([hidden])");
    if (!place) return;
    const name = place.dataset.problem;
    const places = {
        model: "#models input, #model-search",
        movies: "#movies input, #movie-search",
        crop: "#crop\\.left",
        settings: "#expert summary",
    };
    const field = form.querySelector(places[name] ?? `[name="${CSS.escape(name)}"]`);
    field?.focus({ preventScroll: true });
    place.scrollIntoView({ block: "center" });
}
