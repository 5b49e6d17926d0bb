/** The player of a movie: the picture, the traces, the body parts, and the worst frames. */

import { fetchArrays, fetchJson } from "./arrays.js";
import { FrameClock } from "./frame_clock.js";
import { listenToKeys } from "./keys.js";
import { Legend } from "./legend.js";
import { formatMoment, parseMoment } from "./moment.js";
import { MovieView } from "./movie_view.js";
import { Overlay } from "./overlay.js";
import { Poses } from "./poses.js";
import { PictureChoice } from "./picture_choice.js";
import { QUANTITIES, Traces } from "./traces.js";
import { WorstFrames } from "./worst_frames.js";

const SHOWN_AT_FIRST = ["likelihood", "x", "y"];
const MOMENT_DELAY = 300;
const TEN_FRAMES = 10;

const find = (id) => document.getElementById(id);
const root = find("player");
const address = root.dataset.address;

/** Open the movie, and bring everything into step. */
async function start() {
    const { arrays, facts } = await fetchArrays(`/api/player/${address}`);
    const clock = new FrameClock(facts.frames, facts.seconds, arrays.seconds);
    const version = encodeURIComponent(facts.version);
    const poses = new Poses(
        (first, last, spans, keypoints) =>
            `/api/traces/${address}?version=${version}&first=${first}&last=${last}&spans=${spans}&keypoints=${keypoints.join(",")}`,
        facts.frames, facts.keypoints.length, facts.quantities,
    );
    root.player = new Player(facts, arrays, clock, poses);
    root.player.begin();
}

class Player {
    constructor(facts, arrays, clock, poses) {
        Object.assign(this, { facts, arrays, clock, poses });
        root.hidden = false;
        this.view = new MovieView(find("movie"), facts.frames);
        this.overlay = new Overlay(find("points"), find("movie"), poses, facts.keypoints, facts.edges, this.view.reportsFrames);
        this.traces = new Traces(find("traces"), { keypoints: facts.keypoints, clock, poses });
        this.legend = new Legend(find("legend"), facts.keypoints, poses);
        this.worst = new WorstFrames(find("worst"), find("worst-note"), clock);
        this.pictures = new PictureChoice(facts, arrays, this.view, this.overlay);
        find("last").textContent = String(facts.frames - 1);
        find("position").max = find("frame").max = String(facts.frames - 1);
        find("picture-note").dataset.notes = facts.notes.join(" ");
    }

    begin() {
        this.listenToEvents();
        this.listenToControls();
        listenToKeys(this.keyActions());
        this.apply(parseMoment(location.hash));
        this.pictures.open(this.moment.picture, this.moment.frame);
        fetchJson(`/api/worst/${address}?version=${encodeURIComponent(this.facts.version)}`)
            .then((frames) => this.worst.fill(frames))
            .catch(reportProblem);
    }

    // --- moments -----------------------------------------------------------------------------

    /** Show what a link says; what it does not name is as at first. */
    apply(moment) {
        const { facts } = this;
        let frame = moment.frame ?? (moment.t === undefined ? 0 : this.clock.nearest(moment.t));
        frame = this.clock.clamp(Math.round(frame));
        const named = moment.parts && facts.keypoints.map(({ name }) => moment.parts.includes(name));
        const chosen = named || facts.keypoints.map((keypoint) => keypoint.chosen);
        const quantities = QUANTITIES.filter((name) => (moment.show || SHOWN_AT_FIRST).includes(name));
        for (const box of find("quantities").querySelectorAll("input")) box.checked = quantities.includes(box.value);
        this.legend.choose(chosen);
        find("cutoff").value = String(moment.cutoff ?? facts.cutoff);
        find("dot").value = String(moment.dot ?? facts.dotSize);
        this.moment = { frame, picture: moment.picture };
        this.changeLook();
        this.traces.zoom = this.traces.limitZoom(moment.zoom || null);
        this.traces.setFrame(frame, false);
        this.traces.choose(quantities, this.legend.chosen);
    }

    /** Put what is shown into the address, so that it can be sent to somebody. */
    remember() {
        clearTimeout(this.remembering);
        this.remembering = setTimeout(() => {
            if (!this.view.isPlaying) history.replaceState(null, "", this.describeMoment());
        }, MOMENT_DELAY);
    }

    describeMoment() {
        const { facts, legend, traces } = this;
        const moment = { frame: this.view.frame };
        const isAsAtFirst = facts.keypoints.every(({ chosen }, k) => chosen === legend.chosen.includes(k));
        if (!isAsAtFirst) moment.parts = legend.chosen.map((k) => facts.keypoints[k].name);
        if (traces.quantities.join() !== SHOWN_AT_FIRST.join()) moment.show = traces.quantities;
        if (traces.zoom) moment.zoom = traces.zoom;
        const { cutoff, dotSize } = this.overlay.look;
        if (cutoff !== facts.cutoff) moment.cutoff = cutoff;
        if (dotSize !== facts.dotSize) moment.dot = dotSize;
        if (this.pictures.isChosenByHand) moment.picture = this.pictures.name;
        return formatMoment(moment);
    }

    // --- events ------------------------------------------------------------------------------

    listenToEvents() {
        this.view.addEventListener("shown", ({ detail }) => this.showFrame(detail.frame));
        this.view.addEventListener("state", () => this.showState());
        this.view.addEventListener("failed", () => this.pictures.fallBack());
        this.traces.addEventListener("pick", ({ detail }) => this.view.goTo(detail));
        this.traces.addEventListener("zoom", () => this.remember());
        this.traces.addEventListener("problem", ({ detail }) => reportProblem(detail));
        this.worst.addEventListener("pick", ({ detail }) => this.goToWorst(detail));
        this.legend.addEventListener("change", () => this.changeParts());
        this.pictures.addEventListener("change", () => { this.drawPoints(); this.remember(); });
        addEventListener("hashchange", () => {
            const moment = parseMoment(location.hash);
            this.apply(moment);
            if (moment.picture && moment.picture !== this.pictures.name) this.pictures.open(moment.picture, this.moment.frame);
            else this.view.goTo(this.moment.frame);
        });
        new ResizeObserver(() => this.drawPoints()).observe(find("picture"));
    }

    showFrame(frame) {
        root.dataset.frame = String(frame);
        find("position").value = String(frame);
        if (document.activeElement !== find("frame")) find("frame").value = String(frame);
        find("time").textContent = this.describeTime(frame);
        this.drawPoints();
        this.traces.setFrame(frame, this.view.isPlaying || this.isFollowing);
        this.isFollowing = false;
        this.worst.mark(frame);
        this.remember();
    }

    describeTime(frame) {
        const told = [`${this.clock.time(frame).toFixed(3)} s`];
        const number = this.arrays.numbers?.[frame], clock = this.arrays.experiment?.[frame];
        if (number !== undefined && number !== frame) told.push(`number ${number} in the annotations`);
        if (clock !== undefined) told.push(Number.isNaN(clock) ? "no time on the experiment's clock" : `${clock.toFixed(3)} s on the experiment's clock`);
        return told.join(" · ");
    }

    /** Draw the points of the frame that is shown, now or once they have come. */
    drawPoints() {
        const { frame } = this.view;
        if (this.overlay.draw(frame)) this.legend.show(frame, this.overlay.look.cutoff);
        else this.legend.clear();
        const isKnown = this.poses.has(frame);
        root.dataset.drawn = isKnown && this.view.hasShown ? String(frame) : "";
        const ahead = this.clock.clamp(frame + (this.view.isPlaying ? 256 : 0));
        if (isKnown && this.poses.has(ahead)) return;
        this.poses.load(frame, ahead + 1)
            .then(() => { if (!isKnown && this.view.frame === frame) this.drawPoints(); })
            .catch(reportProblem);
    }

    showState() {
        const { isPlaying } = this.view;
        find("play").textContent = isPlaying ? "Pause" : "Play";
        // The frame at which it came to a halt may be reported later.
        this.isFollowing ||= !isPlaying;
        this.traces.setFrame(this.view.frame, true);
        this.remember();
    }

    // --- controls ----------------------------------------------------------------------------

    listenToControls() {
        const onClick = (id, action) => find(id).addEventListener("click", action);
        onClick("play", () => this.view.toggle());
        onClick("back", () => this.step(-1));
        onClick("forth", () => this.step(1));
        onClick("earlier", () => this.traces.pan(-0.5));
        onClick("later", () => this.traces.pan(0.5));
        onClick("zoom-in", () => this.traces.zoomBy(0.5));
        onClick("zoom-out", () => this.traces.zoomBy(2));
        onClick("zoom-all", () => this.traces.setZoom(null));
        onClick("link", () => this.copyLink());
        onClick("help", () => find("keys").showModal());
        onClick("all-parts", () => this.legend.chooseAll(true));
        onClick("no-parts", () => this.legend.chooseAll(false));
        onClick("worst-back", () => this.worst.step(-1));
        onClick("worst-forth", () => this.worst.step(1));
        onClick("movie", () => this.view.toggle());
        find("position").addEventListener("input", (event) => this.goTo(Number(event.target.value)));
        find("frame").addEventListener("change", (event) => this.goTo(Math.round(Number(event.target.value)) || 0));
        find("speed").addEventListener("change", (event) => { find("movie").playbackRate = Number(event.target.value); });
        for (const id of ["cutoff", "dot", "draw", "only-chosen"]) find(id).addEventListener("input", () => { this.changeLook(); this.remember(); });
        find("quantities").addEventListener("change", () => this.changeParts());
        find("pictures").addEventListener("change", (event) => this.pictures.choose(event.target.value));
    }

    keyActions() {
        return {
            " ": () => this.view.toggle(),
            ArrowLeft: () => this.step(-1),
            ArrowRight: () => this.step(1),
            "Shift+ArrowLeft": () => this.step(-TEN_FRAMES),
            "Shift+ArrowRight": () => this.step(TEN_FRAMES),
            Home: () => this.goTo(0),
            End: () => this.goTo(this.facts.frames - 1),
            "[": () => this.changeSpeed(-1),
            "]": () => this.changeSpeed(1),
            n: () => this.worst.step(1),
            p: () => this.worst.step(-1),
            "+": () => this.traces.zoomBy(0.5),
            "=": () => this.traces.zoomBy(0.5),
            "-": () => this.traces.zoomBy(2),
            0: () => this.traces.setZoom(null),
            ",": () => this.traces.pan(-0.5),
            ".": () => this.traces.pan(0.5),
            d: () => find("draw").click(),
            m: () => this.pictures.choose(this.pictures.name === "original" ? "labeled" : "original"),
            "?": () => find("keys").showModal(),
        };
    }

    goTo(frame) {
        this.isFollowing = true;
        this.view.goTo(frame);
    }

    step(frames) {
        this.isFollowing = true;
        this.view.step(frames);
    }

    goToWorst({ frame, told }) {
        this.view.pause();
        this.goTo(frame);
        find("status").textContent = told;
    }

    changeSpeed(by) {
        const speed = find("speed");
        speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + by));
        speed.dispatchEvent(new Event("change"));
        find("status").textContent = `Speed ${speed.selectedOptions[0].textContent}`;
    }

    changeLook() {
        const cutoff = Number(find("cutoff").value), dotSize = Number(find("dot").value);
        find("cutoff-value").textContent = cutoff.toFixed(2);
        find("dot-value").textContent = String(dotSize);
        const keypoints = find("only-chosen").checked ? this.legend.chosen : null;
        Object.assign(this.overlay.look, { cutoff, dotSize, isShown: find("draw").checked, keypoints });
        this.traces.setCutoff(cutoff);
        this.drawPoints();
    }

    changeParts() {
        const boxes = [...find("quantities").querySelectorAll("input:checked")];
        this.traces.choose(boxes.map((box) => box.value), this.legend.chosen);
        this.changeLook();
        this.remember();
    }

    async copyLink() {
        history.replaceState(null, "", this.describeMoment());
        try {
            await navigator.clipboard.writeText(location.href);
            find("status").textContent = "The link to this moment is copied.";
        } catch {
            find("status").textContent = "The link to this moment is in the address bar.";
        }
    }
}

function reportProblem(error) {
    const problem = find("player-problem");
    problem.hidden = false;
    problem.textContent = error.status === 409 ? "The results have changed; load this page again." : error.message;
}

start().catch(reportProblem);
