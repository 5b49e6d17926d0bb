// How far runs are: shown anew every few seconds, without moving what a person is about to press.

const PAUSE = 2_000; // milliseconds between two questions

const live = document.getElementById("live");

async function refresh() {
    try {
        if (!document.hidden) await replace();
    } catch {
        // The page is out of reach: what is shown stays.
    }
    if (live.dataset.active) setTimeout(refresh, PAUSE);
}

async function replace() {
    const answer = await fetch(location.href);
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = page.getElementById("live");
    if (!news) return;
    live.dataset.active = news.dataset.active;
    if (news.innerHTML === live.innerHTML) return;
    const focused = document.activeElement;
    const inside = live.contains(focused);
    // Only what has changed: a button that is being pressed stays the same one.
    morph(live, news);
    if (inside && !live.contains(document.activeElement)) document.getElementById("content").focus();
}

// Make one element's content like another's, leaving alone what is alike.
function morph(old, news) {
    const wanted = [...news.childNodes];
    const there = [...old.childNodes];
    wanted.forEach((node, number) => {
        const present = there[number];
        if (!present) old.append(node);
        else if (present.isEqualNode(node)) return;
        else if (present.nodeType === 1 && present.nodeName === node.nodeName) {
            for (const { name } of [...present.attributes]) if (!node.hasAttribute(name)) present.removeAttribute(name);
            for (const { name, value } of node.attributes) {
                if (present.getAttribute(name) !== value) present.setAttribute(name, value);
            }
            morph(present, node);
        } else present.replaceWith(node);
    });
    for (const node of there.slice(wanted.length)) node.remove();
}

setTimeout(refresh, PAUSE);
