/** A movie that is played and stepped through, and the frame that is really shown. */

const PATIENCE = 3000;
const REPORT_DELAY = 150;

/**
 * Events: `shown` when another frame is shown, `state` when it plays or pauses, `failed` when the
 * browser cannot play the movie.
 */
export class MovieView extends EventTarget {
    /**
     * @param {HTMLVideoElement} video
     * @param {number} frames How many there are: they are stepped through without a movie, too.
     */
    constructor(video, frames) {
        super();
        this.video = video;
        this.frames = frames;
        this.picture = null;
        this.frame = 0;
        this.wanted = 0;
        this.isReady = false;
        this.sought = null;
        this.isAtSoughtTime = false;
        this.hasShown = false;
        this.watching = 0;
        this.shift = 0;
        this.load = 0;
        this.reportsFrames = "requestVideoFrameCallback" in HTMLVideoElement.prototype;
        video.addEventListener("seeked", () => this.endSeek());
        video.addEventListener("error", () => this.fail());
        video.addEventListener("play", () => { this.isAtSoughtTime = false; });
        video.addEventListener("pause", () => this.settle());
        for (const name of ["play", "pause", "ended", "ratechange"]) {
            video.addEventListener(name, () => this.dispatchEvent(new Event("state")));
        }
        if (!this.reportsFrames) video.addEventListener("timeupdate", () => this.show(this.frameNow()));
    }

    /** Have no movie. */
    close() {
        this.load++;
        this.picture = null;
        this.isReady = false;
        this.sought = null;
        if (this.reportsFrames) this.video.cancelVideoFrameCallback(this.watching);
        this.video.removeAttribute("src");
        this.video.load();
    }

    /**
     * Play another file.
     *
     * @param {{address: string, clock: import("./frame_clock.js").FrameClock}} picture
     * @param {number} frame Where to go.
     */
    open(picture, frame) {
        const load = ++this.load;
        this.picture = picture;
        this.wanted = frame;
        this.isReady = false;
        this.sought = null;
        this.hasShown = false;
        this.shift = 0;
        const { video } = this;
        const proceed = () => {
            if (load !== this.load || this.isReady) return;
            if (!video.videoWidth) {
                this.fail();
                return;
            }
            this.isReady = true;
            this.seek();
        };
        this.whenFirstShown = (time) => {
            // Players count from other moments where a file's first frame is not at 0.
            this.shift = time - picture.clock.time(0);
            proceed();
        };
        const begin = () => setTimeout(proceed, this.reportsFrames ? PATIENCE : 0);
        video.addEventListener("loadeddata", begin, { once: true });
        video.src = picture.address;
        video.load();
        if (this.reportsFrames) this.watchFrames();
    }

    get isPlaying() {
        return !this.video.paused && !this.video.ended;
    }

    play() {
        if (!this.picture) return;
        if (this.frame >= this.frames - 1) this.goTo(0);
        this.video.play().catch(() => {});
    }

    pause() {
        this.video.pause();
    }

    toggle() {
        if (this.isPlaying) this.pause();
        else this.play();
    }

    /** Pause, and go on by some frames. */
    step(frames) {
        this.pause();
        const isThere = this.isReady && this.sought === null && !this.isAtSoughtTime;
        this.goTo((isThere ? this.frame : this.wanted) + frames);
    }

    /** Go to a frame; of several that are asked for meanwhile, the last one counts. */
    goTo(frame) {
        this.wanted = Math.max(0, Math.min(this.frames - 1, frame));
        if (!this.picture) this.show(this.wanted);
        else if (this.isReady && this.sought === null) this.seek();
    }

    /** Stay at the frame that was seen last: time may have gone on a little. */
    settle() {
        if (this.picture && this.sought === null && !this.isAtSoughtTime) {
            this.goTo(this.video.ended ? this.frames - 1 : this.frame);
        }
    }

    seek() {
        this.sought = this.wanted;
        this.isAtSoughtTime = true;
        this.video.currentTime = Math.max(0, this.picture.clock.middle(this.wanted) + this.shift);
    }

    endSeek() {
        if (this.sought === null) return;
        if (this.wanted !== this.sought) {
            this.seek();
            return;
        }
        this.sought = null;
        const { load } = this;
        const look = () => {
            if (load === this.load && this.isAtSoughtTime && this.sought === null) this.show(this.frameNow());
        };
        // A browser that reports frames need not do so where the same one is shown again.
        if (!this.reportsFrames) look();
        else setTimeout(() => { if (!this.hasShown || this.frame !== this.frameNow()) look(); }, REPORT_DELAY);
    }

    frameNow() {
        return this.picture.clock.frameAt(this.video.currentTime - this.shift);
    }

    watchFrames() {
        // What was on its way of the file before does not count.
        this.video.cancelVideoFrameCallback(this.watching);
        this.watching = this.video.requestVideoFrameCallback((_, { mediaTime }) => {
            this.watchFrames();
            if (!this.isReady) {
                this.whenFirstShown(mediaTime);
                return;
            }
            const frame = this.picture.clock.nearest(mediaTime - this.shift);
            // Around a seek the frame before may be reported once more: it is seen no longer.
            if (!this.isAtSoughtTime || frame === this.frameNow()) this.show(frame);
        });
    }

    show(frame) {
        this.hasShown = true;
        this.frame = frame;
        if (this.sought === null) this.wanted = frame;
        this.dispatchEvent(new CustomEvent("shown", { detail: { frame } }));
    }

    fail() {
        if (this.picture && this.video.getAttribute("src")) {
            this.dispatchEvent(new CustomEvent("failed", { detail: this.picture }));
        }
    }
}
