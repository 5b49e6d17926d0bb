/** The upload page: files are chosen, sent some at a time, and watched until they are analyzed. */

import { ask } from "./api.js";
import { Digests } from "./digests.js";
import { Folders } from "./folders.js";
import { Route } from "./route.js";
import { Standings } from "./standings.js";
import { Unfinished } from "./unfinished.js";
import { Upload } from "./upload.js";
import { UploadRow } from "./upload_row.js";

const FILES_AT_ONCE = 2;
const CHECKED_AT_ONCE = 500;

const find = (id) => document.getElementById(id);
const root = find("upload");

class UploadPage {
    constructor() {
        this.rows = [];
        this.running = new Set();
        this.route = new Route(root.dataset.way === "store");
        this.services = { digests: new Digests(), route: this.route };
        this.standings = new Standings();
        this.folders = new Folders(find("folder"), find("folder-note"), root.dataset.inbox);
        this.unfinished = new Unfinished(
            find("unfinished"),
            () => new Set(this.rows.map(({ upload }) => upload.upload).filter(Boolean)),
            (text) => this.announce(text),
        );
        this.route.addEventListener("change", () => this.explainRoute());
        this.listen();
        this.folders.load();
        this.unfinished.refresh();
    }

    listen() {
        find("files").addEventListener("change", ({ target }) => {
            this.add([...target.files]);
            target.value = ""; // so that the same file can be chosen again
        });
        addEventListener("dragover", (event) => event.preventDefault());
        addEventListener("drop", (event) => {
            event.preventDefault();
            this.add([...event.dataTransfer.files]);
        });
        addEventListener("beforeunload", (event) => {
            if (this.rows.some(({ upload }) => upload.isActive)) event.preventDefault();
        });
    }

    /** Take files that somebody has chosen. */
    add(files) {
        const folder = this.folders.path;
        const known = new Set(this.rows.filter(({ upload }) => !["refused", "canceled"].includes(upload.state)).map(({ upload }) => `${upload.folder}/${upload.name}`));
        const added = [];
        for (const file of files) {
            const key = `${folder}/${file.name}`;
            if (known.has(key)) {
                this.announce(`${file.name} is in the list already`);
                continue;
            }
            known.add(key);
            added.push(this.addRow(new Upload(file, folder, file.name, this.services)).upload);
        }
        for (let start = 0; start < added.length; start += CHECKED_AT_ONCE) {
            this.check(folder, added.slice(start, start + CHECKED_AT_ONCE));
        }
    }

    addRow(upload) {
        const row = new UploadRow(upload, (action, target) => this.act(action, target));
        this.rows.push(row);
        find("uploads").append(row.element);
        let state = upload.state;
        upload.addEventListener("change", () => {
            if (upload.state === state) return;
            state = upload.state;
            this.takeState(row);
        });
        return row;
    }

    async check(folder, uploads) {
        try {
            const files = uploads.map(({ name, size }) => ({ name, size }));
            const found = await ask("/api/uploads/check", { folder, files });
            await Promise.all(uploads.map((upload, index) => upload.takeCheck(found[index])));
        } catch (error) {
            for (const upload of uploads) upload.change("failed", error.message);
        }
    }

    /** A file's state has changed: others may begin, or the inbox is asked what becomes of it. */
    takeState(row) {
        const { upload } = row;
        if (upload.state === "arrived") {
            this.announce(`${upload.name} is in the inbox`);
            this.standings.add(row);
        } else if (["refused", "failed"].includes(upload.state)) {
            this.announce(`${upload.name}: ${upload.message}`);
        } else if (upload.state === "exists") {
            this.announce(`${upload.name} is in the inbox already`);
        }
        queueMicrotask(() => this.runNext());
    }

    runNext() {
        for (const { upload } of this.rows) {
            if (this.running.size >= FILES_AT_ONCE) return;
            if (upload.state !== "queued" || this.running.has(upload)) continue;
            this.running.add(upload);
            upload.run().finally(() => {
                this.running.delete(upload);
                this.unfinished.refresh();
                this.runNext();
            });
        }
    }

    act(action, row) {
        const { upload } = row;
        switch (action) {
            case "pause":
                return upload.pause();
            case "resume":
                return upload.change("queued");
            case "retry":
                return this.retry(upload);
            case "replace":
                return upload.replace();
            case "rename":
                return this.rename(row);
            case "cancel":
                if (upload.arrived && !confirm(`Stop uploading ${upload.name}, and remove what has arrived of it?`)) return undefined;
                upload.cancel().then(() => this.unfinished.refresh());
                return this.removeRow(row);
            default:
                return this.removeRow(row);
        }
    }

    retry(upload) {
        if (upload.check?.part_bytes) return upload.change("queued");
        upload.change("checking");
        return this.check(upload.folder, [upload]);
    }

    /** Upload a file under another name, beside the one that is there. */
    rename(row) {
        const { file, folder } = row.upload;
        const dot = file.name.lastIndexOf(".");
        const number = (row.upload.renamed ?? 1) + 1;
        const upload = new Upload(file, folder, `${file.name.slice(0, dot)} (${number})${file.name.slice(dot)}`, this.services);
        upload.renamed = number;
        const added = this.addRow(upload);
        row.element.replaceWith(added.element);
        this.removeRow(row);
        (added.element.querySelector("button") ?? added.element).focus();
        return this.check(folder, [upload]);
    }

    removeRow(row) {
        const next = row.element.nextElementSibling?.querySelector("button");
        const hadFocus = row.element.contains(document.activeElement);
        this.rows.splice(this.rows.indexOf(row), 1);
        this.standings.remove(row);
        row.element.remove();
        if (hadFocus) (next ?? find("files")).focus();
    }

    /** Say why parts go through the page, and what would have them go to the store itself. */
    explainRoute() {
        const rule = { AllowedOrigins: [location.origin], AllowedMethods: ["PUT"], AllowedHeaders: ["content-md5"] };
        find("rule").textContent = `aws s3api put-bucket-cors --bucket ${root.dataset.bucket} --cors-configuration '${JSON.stringify({ CORSRules: [rule] })}'`;
        find("way").hidden = false;
    }

    announce(text) {
        find("announced").textContent = text;
    }
}

root.page = new UploadPage();
