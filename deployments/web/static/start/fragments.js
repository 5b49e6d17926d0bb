// Parts of the page that the server renders, and what it says where it renders none.

const PAUSE = 700; // milliseconds between two questions for an answer that is on its way

export async function ask(address, options = {}) {
    let answer;
    try {
        answer = await fetch(address, options);
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Error("The page cannot be reached. Is the network there?");
    }
    if (answer.ok) return answer;
    let text = `The page answers with an error (${answer.status}).`;
    try {
        text = (await answer.json()).error ?? text;
    } catch {
        // it is no JSON
    }
    throw new Error(text);
}

export async function send(address, value) {
    const options = { method: "POST", headers: { "content-type": "application/json" } };
    if (value !== undefined) options.body = JSON.stringify(value);
    return (await ask(address, options)).json();
}

// The rendered part; what goes on meanwhile is shown in `target`.
export async function fetchFragment(address, target, signal) {
    for (;;) {
        const answer = await ask(address, { signal });
        const nodes = parse(await answer.text());
        if (answer.status !== 202) return nodes;
        if (target.textContent.trim() !== nodes.textContent.trim()) target.replaceChildren(nodes);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        signal?.throwIfAborted();
    }
}

function parse(text) {
    const fragment = document.createDocumentFragment();
    fragment.append(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    return fragment;
}

export function makeElement(name, text = "", attributes = {}) {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
}

export function toQuery(values) {
    return new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
}
