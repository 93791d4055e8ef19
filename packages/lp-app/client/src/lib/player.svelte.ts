// The playhead of a video: shows a frame only once its own picture is there.

import { ask, told, type Video } from "./api";
import { Frames } from "./frames";
import { say } from "./session.svelte";

export class Player {
  video = $state<Video | null>(null);
  /** The frame that was asked for. */
  wanted = $state(0);
  /** The frame whose picture is shown, -1 before the first. */
  shown = $state(-1);
  picture = $state.raw<ImageBitmap | null>(null);
  isPlaying = $state(false);
  speed = $state(1);
  trouble = $state("");
  #frames: Frames | null = null;
  #asked = 0;

  async open(id: string, at = 0): Promise<void> {
    this.stop();
    const asked = ++this.#asked;
    this.video = null;
    this.picture = null;
    this.shown = -1;
    this.trouble = "";
    try {
      const video = await ask<Video>("GET", `/api/videos/${id}`);
      if (asked !== this.#asked) return;
      this.video = video;
      this.#frames = new Frames(id, video.frames, video);
      await this.go(at);
    } catch (error) {
      if (asked === this.#asked) this.trouble = told(error);
    }
  }

  /** What is labelled or waits may have changed. */
  async refresh(): Promise<void> {
    if (!this.video) return;
    const id = this.video.id;
    const video = await ask<Video>("GET", `/api/videos/${id}`);
    if (this.video?.id === id) this.video = video;
  }

  async go(index: number): Promise<void> {
    if (!this.video || !this.#frames) return;
    const direction = index < this.wanted ? -1 : 1;
    this.wanted = Math.min(this.video.frames - 1, Math.max(0, Math.round(index) || 0));
    const wanted = this.wanted;
    const frames = this.#frames;
    try {
      const picture = await frames.get(wanted);
      if (this.wanted !== wanted || this.#frames !== frames) return;
      this.picture = picture;
      this.shown = wanted;
      frames.ahead(wanted, direction);
    } catch (error) {
      this.stop();
      say(told(error), "error");
    }
  }

  step(by: number): void {
    this.stop();
    void this.go(this.wanted + by);
  }

  toggle(): void {
    if (this.isPlaying) this.stop();
    else void this.#play();
  }

  stop(): void {
    this.isPlaying = false;
  }

  async #play(): Promise<void> {
    const video = this.video;
    if (!video) return;
    this.isPlaying = true;
    if (this.wanted >= video.frames - 1) await this.go(0);
    let due = performance.now();
    while (this.isPlaying && this.video === video && this.wanted < video.frames - 1) {
      due = Math.max(due + 1000 / (video.fps * this.speed), performance.now() - 100);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      if (this.isPlaying) await this.go(this.wanted + 1);
    }
    this.isPlaying = false;
  }
}
