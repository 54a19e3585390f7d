// Clocks for the position in a recording; both have the same interface.

/** The clock of a video element. */
export class VideoClock {
  constructor(video) {
    this.video = video;
  }
  get time() {
    return this.video.currentTime;
  }
  set time(seconds) {
    this.video.currentTime = seconds;
  }
  get duration() {
    return Number.isFinite(this.video.duration) ? this.video.duration : 0;
  }
  get playing() {
    return !this.video.paused && !this.video.ended;
  }
  get ended() {
    return this.video.ended;
  }
  get rate() {
    return this.video.playbackRate;
  }
  set rate(rate) {
    this.video.playbackRate = rate;
  }
  play() {
    // If the browser refuses, the button stays "Play".
    this.video.play().catch(() => {});
  }
  pause() {
    this.video.pause();
  }
}

/** A clock without a video. */
export class PlainClock {
  #base_s = 0;
  #sinceMs = null;
  #rate = 1;

  /** @param duration returns the length in seconds, which may grow. */
  constructor(duration) {
    this.length = duration;
  }
  get duration() {
    return this.length();
  }
  get time() {
    const run_s = this.#sinceMs === null ? 0 : ((performance.now() - this.#sinceMs) / 1000) * this.#rate;
    return Math.min(this.#base_s + run_s, this.duration);
  }
  set time(seconds) {
    this.#base_s = Math.max(0, Math.min(seconds, this.duration));
    if (this.#sinceMs !== null) this.#sinceMs = performance.now();
  }
  get playing() {
    return this.#sinceMs !== null && !this.ended;
  }
  get ended() {
    return this.time >= this.duration;
  }
  get rate() {
    return this.#rate;
  }
  set rate(rate) {
    this.time = this.time;
    this.#rate = rate;
  }
  play() {
    if (this.ended) this.#base_s = 0;
    this.#sinceMs = performance.now();
  }
  pause() {
    this.#base_s = this.time;
    this.#sinceMs = null;
  }
}
