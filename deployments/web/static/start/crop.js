// The crop rectangle, drawn on a frame of a movie by mouse or finger, and typed as numbers.
import { readFrame } from "./movie_picker.js";

const NAMES = ["left", "top", "width", "height"];
const SMALLEST = 3; // pixels of the screen: less was a click

const canvas = document.getElementById("crop-canvas");
const picture = document.getElementById("crop-picture");
const note = document.getElementById("crop-note");
const choice = document.getElementById("crop-movie");
const fields = NAMES.map((name) => document.getElementById(`crop.${name}`));

export class Crop {
    constructor(onChange) {
        this.onChange = onChange;
        this.frame = null;
        this.shown = "";
        this.start = null;
        choice.addEventListener("change", () => this.showFrame());
        canvas.addEventListener("pointerdown", (event) => this.begin(event));
        canvas.addEventListener("pointermove", (event) => this.drag(event));
        canvas.addEventListener("pointerup", () => this.end());
        canvas.addEventListener("pointercancel", () => this.end());
        for (const field of fields) field.addEventListener("input", () => this.draw());
        document.getElementById("crop-clear").addEventListener("click", () => this.write(null));
        picture.addEventListener("load", () => this.draw());
        new ResizeObserver(() => this.draw()).observe(canvas);
    }

    // Offer the frames of the movies that are chosen.
    offer(picks) {
        const old = choice.value;
        choice.replaceChildren(...picks.map((pick) => new Option(pick.firstName, pick.first)));
        if (picks.some((pick) => pick.first === old)) choice.value = old;
        document.getElementById("crop-choice").hidden = picks.length < 2;
        document.getElementById("crop-none").hidden = picks.length > 0;
        document.getElementById("crop-frame").hidden = picks.length === 0;
        this.showFrame();
    }

    async showFrame() {
        const address = choice.value;
        if (!address || address === this.shown) return;
        this.shown = address;
        this.frame = null;
        note.textContent = "Looking for a frame…";
        canvas.parentElement.hidden = true;
        let frame = null;
        let problem = "No frame of this movie can be shown; type the numbers below.";
        try {
            frame = await readFrame(address, note);
        } catch (error) {
            problem = error.message;
        }
        if (this.shown !== address) return; // another one has been chosen meanwhile
        if (!frame) {
            note.textContent = problem;
            this.shown = "";
            return;
        }
        this.frame = frame;
        canvas.parentElement.hidden = false;
        if (frame.picture) picture.src = frame.picture;
        picture.hidden = !frame.picture;
        picture.alt = "";
        canvas.parentElement.style.setProperty("--ratio", frame.width / frame.height);
        fields[0].max = frame.width - 1;
        fields[1].max = frame.height - 1;
        fields[2].max = frame.width;
        fields[3].max = frame.height;
        this.draw();
    }

    toFrame(event) {
        const box = canvas.getBoundingClientRect();
        const place = (at, from, length, size) => Math.max(0, Math.min(size, Math.round(((at - from) / length) * size)));
        return [
            place(event.clientX, box.left, box.width, this.frame.width),
            place(event.clientY, box.top, box.height, this.frame.height),
        ];
    }

    begin(event) {
        if (!this.frame || event.button > 0) return;
        event.preventDefault();
        canvas.setPointerCapture(event.pointerId);
        this.start = { at: this.toFrame(event), x: event.clientX, y: event.clientY };
    }

    drag(event) {
        if (!this.start) return;
        const far = Math.hypot(event.clientX - this.start.x, event.clientY - this.start.y);
        if (far < SMALLEST && !this.start.moved) return;
        this.start.moved = true;
        const [x1, y1] = this.start.at;
        const [x2, y2] = this.toFrame(event);
        const rectangle = [Math.min(x1, x2), Math.min(y1, y2), Math.abs(x1 - x2), Math.abs(y1 - y2)];
        if (rectangle[2] && rectangle[3]) this.write(rectangle);
    }

    end() {
        this.start = null;
    }

    write(rectangle) {
        fields.forEach((field, number) => {
            field.value = rectangle ? rectangle[number] : "";
        });
        this.draw();
        this.onChange();
    }

    read() {
        const numbers = fields.map((field) => (field.value === "" ? NaN : Number(field.value)));
        return numbers.every((one) => Number.isInteger(one) && one >= 0) ? numbers : null;
    }

    draw() {
        if (!this.frame) return;
        const box = canvas.getBoundingClientRect();
        const ratio = window.devicePixelRatio || 1;
        canvas.width = Math.max(1, Math.round(box.width * ratio));
        canvas.height = Math.max(1, Math.round(box.height * ratio));
        const context = canvas.getContext("2d");
        const scale = canvas.width / this.frame.width;
        const crop = this.read();
        const whole = `Frames have ${this.frame.width} columns and ${this.frame.height} rows.`;
        if (!crop) {
            note.textContent = `${whole} Drag over the picture to draw a rectangle.`;
            return;
        }
        const [left, top, width, height] = crop;
        context.fillStyle = "rgb(0 0 0 / 55%)";
        context.beginPath();
        context.rect(0, 0, canvas.width, canvas.height);
        context.rect(left * scale, top * scale, width * scale, height * scale);
        context.fill("evenodd");
        for (const [color, dash] of [["#fff", []], ["#000", [5 * ratio, 5 * ratio]]]) {
            context.strokeStyle = color;
            context.lineWidth = 2 * ratio;
            context.setLineDash(dash);
            context.strokeRect(left * scale, top * scale, width * scale, height * scale);
        }
        const inside = left + width <= this.frame.width && top + height <= this.frame.height;
        const place = `The crop: ${width} columns from ${left}, ${height} rows from ${top}.`;
        note.textContent = inside ? `${place} ${whole}` : `${place} It reaches beyond the frame. ${whole}`;
    }
}
