// Pictures of the frames of a video, kept and asked for ahead of the playhead.

import { picture } from "./api";

const BUDGET = 256 << 20; // bytes of decoded pictures
const AHEAD = 12;

export class Frames {
  #most: number;
  #kept = new Map<number, Promise<ImageBitmap>>();

  constructor(
    readonly video: string,
    readonly count: number,
    size: { width: number; height: number },
  ) {
    this.#most = Math.max(AHEAD + 4, Math.floor(BUDGET / (4 * size.width * size.height)));
  }

  get(index: number): Promise<ImageBitmap> {
    let found = this.#kept.get(index);
    if (found) this.#kept.delete(index);
    else {
      found = picture(`/api/videos/${this.video}/frames/${index}`);
      found.catch(() => this.#kept.delete(index));
    }
    this.#kept.set(index, found);
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) break;
      void this.#kept.get(old)?.then((bitmap) => bitmap.close(), () => undefined);
      this.#kept.delete(old);
    }
    return found;
  }

  /** Ask for what comes next, in a direction. */
  ahead(index: number, direction: number): void {
    for (let step = 1; step <= AHEAD; step++) {
      const next = index + direction * step;
      if (next >= 0 && next < this.count && !this.#kept.has(next)) {
        void this.get(next).catch(() => undefined);
      }
    }
  }
}
