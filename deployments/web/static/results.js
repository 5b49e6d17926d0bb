// The list of runs brings itself up to date, without moving what a person is reading or typing.

const PAUSE = 10_000; // milliseconds between two questions
const HURRY = 1_500; // while the store is being looked at

const listing = document.getElementById("listing");
const rows = document.getElementById("rows");

async function refresh() {
    let pause = PAUSE;
    if (!document.hidden) {
        try {
            const state = await (await fetch("/api/listing")).json();
            if (state.mark !== listing.dataset.mark) await replaceRows();
            if (state.is_looking) pause = HURRY;
        } catch {
            // The page is out of reach: what is shown stays.
        }
    }
    setTimeout(refresh, pause);
}

async function replaceRows() {
    const answer = await fetch(location.href);
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = rows.contains(document.activeElement) && document.activeElement.getAttribute("href");
    rows.replaceChildren(...page.getElementById("rows").childNodes);
    if (focused) rows.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    const news = page.getElementById("listing");
    listing.textContent = news.textContent;
    listing.dataset.mark = news.dataset.mark;
    document.getElementById("search").hidden = page.getElementById("search").hidden;
}

setTimeout(refresh, HURRY);
