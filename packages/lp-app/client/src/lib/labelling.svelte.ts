// The labels of the image that is open: what edits do to them, and how they are undone.

import {
  ask,
  picture,
  query,
  type Animal,
  type Frame,
  type Keypoint,
  type Labels,
  type Listed,
} from "./api";
import { acknowledged, save, unacknowledged } from "./saving.svelte";
import { project, say, shown } from "./session.svelte";
import type { Point } from "./view";

export const UNLABELLED = 0;
export const OCCLUDED = 1;
export const VISIBLE = 2;

const PICTURES = 12; // kept

interface Edit {
  image: string;
  before: Labels;
  after: Labels;
}

const same = (one: Labels, other: Labels): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The images of the project, and the one that is open. */
export class Labelling {
  images = $state<Listed[]>([]);
  isLoaded = $state(false);
  frame = $state.raw<Frame | null>(null);
  bitmap = $state.raw<ImageBitmap | null>(null);
  /** The animals that the image may have, labelled or not. */
  animals = $state<Animal[]>([]);
  isEmpty = $state(false);
  /** Places in `animals` and in the keypoints. */
  animal = $state(0);
  keypoint = $state(0);
  undoable = $state.raw<Edit[]>([]);
  redoable = $state.raw<Edit[]>([]);
  #pictures = new Map<string, Promise<ImageBitmap>>();
  #opening = "";

  get image(): string {
    return this.frame?.image ?? "";
  }

  get place(): number {
    return this.images.findIndex((each) => each.image === this.image);
  }

  get names(): string[] {
    return this.frame?.keypoints ?? [];
  }

  get labels(): Labels {
    const animals = this.animals
      .filter((each) => each.keypoints.some((point) => point[2]))
      .map((each) => ({ name: each.name, keypoints: each.keypoints.map((k) => [...k] as Keypoint) }));
    return { animals, empty: this.isEmpty && !animals.length };
  }

  point(animal = this.animal, keypoint = this.keypoint): Keypoint | undefined {
    return this.animals[animal]?.keypoints[keypoint];
  }

  // -------------------------------------------------------------------------- opening

  async list(): Promise<void> {
    const found = await shown(() => ask<{ images: Listed[] }>("GET", "/api/labels"));
    if (found) this.images = found.images;
    this.isLoaded = true;
  }

  async open(image: string): Promise<void> {
    this.#opening = image;
    const opened = await shown(async () => {
      const address = `/api/labels/frame?${query({ image })}`;
      const [frame, bitmap] = await Promise.all([ask<Frame>("GET", address), this.#picture(image)]);
      return { frame, bitmap };
    });
    if (!opened || this.#opening !== image) return;
    acknowledged(opened.frame);
    const isOther = this.image !== image;
    this.frame = opened.frame;
    this.bitmap = opened.bitmap;
    this.#show(unacknowledged(image) ?? opened.frame.labels);
    if (isOther) this.#selectFirst();
    for (const next of [1, -1]) {
      const other = this.images[this.place + next];
      if (other) void this.#picture(other.image).catch(() => undefined);
    }
  }

  /** What another tab or program has changed in the meantime. */
  async refresh(): Promise<void> {
    if (this.frame && !unacknowledged(this.image)) await this.open(this.image);
  }

  #picture(image: string): Promise<ImageBitmap> {
    let found = this.#pictures.get(image);
    if (found) this.#pictures.delete(image);
    else {
      found = picture(`/api/labels/image?${query({ image })}`);
      found.catch(() => this.#pictures.delete(image));
    }
    this.#pictures.set(image, found);
    const oldest = this.#pictures.keys().next().value;
    if (this.#pictures.size > PICTURES && oldest) this.#pictures.delete(oldest);
    return found;
  }

  #show(labels: Labels): void {
    const nothing = (): Keypoint[] => this.names.map(() => [null, null, UNLABELLED]);
    const found = labels.animals.map((each) => ({
      name: each.name,
      keypoints: each.keypoints.map((k) => [...k] as Keypoint),
    }));
    const wanted = this.frame?.several ? project().individuals : [null];
    const absent = wanted.filter((name) => !found.some((each) => each.name === name));
    const every = [...found, ...absent.map((name) => ({ name, keypoints: nothing() }))];
    const order = (name: string | null) => {
      const at = (wanted as (string | null)[]).indexOf(name);
      return at < 0 ? wanted.length : at;
    };
    this.animals = every.sort((a, b) => order(a.name) - order(b.name));
    this.isEmpty = labels.empty;
    this.animal = Math.min(this.animal, this.animals.length - 1);
  }

  #selectFirst(): void {
    this.animal = Math.max(
      0,
      this.animals.findIndex((each) => !each.keypoints.every((k) => k[2])),
    );
    this.keypoint = 0;
    if (this.point()?.[2]) this.advance();
  }

  // -------------------------------------------------------------------------- editing

  /** Change the labels by `change`, save them, and let it be undone. */
  edit(change: () => void): void {
    if (!this.frame) return;
    const before = this.labels;
    change();
    this.commit(before);
  }

  /** Save what was changed since `before`. */
  commit(before: Labels): void {
    const after = this.labels;
    if (same(before, after)) return;
    if (after.animals.length) this.isEmpty = false;
    this.undoable = [...this.undoable, { image: this.image, before, after }];
    this.redoable = [];
    this.#save(after);
  }

  #save(labels: Labels): void {
    save(this.image, labels);
    const listed = this.images[this.place];
    if (!listed) return;
    listed.state = labels.animals.length ? "labelled" : labels.empty ? "empty" : "waiting";
    listed.animals = labels.animals.length;
    listed.points = labels.animals.flatMap((each) => each.keypoints).filter((k) => k[2]).length;
  }

  async undo(): Promise<void> {
    await this.#turnBack("undoable", "redoable", "before", "after");
  }

  async redo(): Promise<void> {
    await this.#turnBack("redoable", "undoable", "after", "before");
  }

  async #turnBack(
    from: "undoable" | "redoable",
    onto: "undoable" | "redoable",
    wanted: "before" | "after",
    present: "before" | "after",
  ): Promise<void> {
    const edit = this[from].at(-1);
    if (!edit) return;
    if (edit.image !== this.image) await this.open(edit.image);
    if (edit.image !== this.image) return;
    this[from] = this[from].slice(0, -1);
    if (!same(this.labels, edit[present])) {
      say("the labels of this image were changed elsewhere, so that edit is not turned back");
      return;
    }
    this[onto] = [...this[onto], edit];
    this.#show(edit[wanted]);
    this.#save(edit[wanted]);
  }

  /** Take labels that were settled in a conflict. */
  take(labels: Labels): void {
    this.#show(labels);
  }

  /** Place the keypoint that is selected, or the next one that is not labelled. */
  put(at: Point, code: number): void {
    if (this.point()?.[2]) this.advance();
    if (!this.point() || this.point()![2]) return;
    this.edit(() => {
      this.animals[this.animal]!.keypoints[this.keypoint] = [at.x, at.y, code];
    });
    this.advance();
  }

  set(point: Keypoint, animal = this.animal, keypoint = this.keypoint): void {
    if (this.animals[animal]) this.animals[animal].keypoints[keypoint] = point;
  }

  /** Select the next keypoint of the animal that is not labelled; stay where all are. */
  advance(): void {
    const count = this.names.length;
    for (let step = 1; step <= count; step++) {
      const next = (this.keypoint + step) % count;
      if (!this.point(this.animal, next)?.[2]) {
        this.keypoint = next;
        return;
      }
    }
  }

  select(animal: number, keypoint: number): void {
    const count = this.names.length;
    if (!this.animals.length || !count) return;
    this.animal = (animal + this.animals.length) % this.animals.length;
    this.keypoint = (keypoint + count) % count;
  }

  selectAnimal(animal: number): void {
    this.select(animal, 0);
    if (this.point()?.[2]) this.advance();
  }

  mark(code: number): void {
    const point = this.point();
    if (!point) return;
    const [x, y] = point;
    if (code === VISIBLE && x === null) return;
    this.edit(() => this.set([x, y, code]));
    if (x === null) this.advance();
  }

  notThere(): void {
    this.edit(() => this.set([null, null, OCCLUDED]));
    this.advance();
  }

  clear(): void {
    this.edit(() => this.set([null, null, UNLABELLED]));
  }

  move(dx: number, dy: number): void {
    const point = this.point();
    if (!point || point[0] === null || point[1] === null) return;
    const [x, y, code] = point;
    this.edit(() => this.set([x + dx, y + dy, code]));
  }

  removeAnimal(): void {
    this.edit(() => {
      const animal = this.animals[this.animal];
      if (animal) animal.keypoints = animal.keypoints.map(() => [null, null, UNLABELLED]);
    });
    this.keypoint = 0;
  }

  /** Give the animal another name; one that has it already takes the old one. */
  rename(name: string): void {
    this.edit(() => {
      const own = this.animals[this.animal];
      const other = this.animals.find((each) => each.name === name);
      if (!own) return;
      if (other) [own.keypoints, other.keypoints] = [other.keypoints, own.keypoints];
      else own.name = name;
    });
    this.animal = Math.max(0, this.animals.findIndex((each) => each.name === name));
  }

  toggleEmpty(): void {
    if (this.labels.animals.length) return;
    this.edit(() => (this.isEmpty = !this.isEmpty));
  }

  /** Copy the animals that are not labelled here from the nearest labelled image before. */
  async copyLast(): Promise<void> {
    const own = this.images[this.place];
    if (!own) return;
    const earlier = this.images.filter(
      (each) => each.state === "labelled" && each.video === own.video && each.image !== own.image,
    );
    const distance = (each: Listed) => (own.frame ?? 0) - (each.frame ?? 0);
    const before = earlier.filter((each) => distance(each) > 0).sort((a, b) => distance(a) - distance(b));
    const source = before[0] ?? earlier.sort((a, b) => distance(b) - distance(a))[0];
    if (!source) {
      say("no other image of this video is labelled yet");
      return;
    }
    const image = source.image;
    const from = await shown(() => ask<Frame>("GET", `/api/labels/frame?${query({ image })}`));
    if (!from || this.image !== own.image) return;
    const labels = unacknowledged(image) ?? from.labels;
    this.edit(() => {
      for (const animal of labels.animals) {
        const here = this.animals.find((each) => each.name === animal.name);
        if (here && !here.keypoints.some((k) => k[2])) {
          here.keypoints = animal.keypoints.map((k) => [...k] as Keypoint);
        }
      }
    });
  }

  async addIndividual(name: string): Promise<boolean> {
    const found = await shown(() =>
      ask<{ individuals: string[] }>("POST", "/api/individuals", { names: [name] }),
    );
    if (!found) return false;
    project().individuals = found.individuals;
    this.#show(this.labels);
    this.selectAnimal(Math.max(0, this.animals.findIndex((each) => each.name === name)));
    return true;
  }

  // -------------------------------------------------------------------------- moving on

  async goTo(place: number): Promise<void> {
    const image = this.images[Math.min(this.images.length - 1, Math.max(0, place))];
    if (image) await this.open(image.image);
  }

  async nextWaiting(): Promise<void> {
    const count = this.images.length;
    for (let step = 1; step <= count; step++) {
      const place = (this.place + step + count) % count;
      if (this.images[place]?.state === "waiting") return this.goTo(place);
    }
    say("every image is labelled");
  }

  async drop(): Promise<void> {
    const image = this.image;
    const place = this.place;
    if (this.images[place]?.state !== "waiting") return;
    const done = await shown(() => ask("POST", "/api/choices/drop", { images: [image] }));
    if (!done) return;
    this.images = this.images.filter((each) => each.image !== image);
    if (this.images.length) await this.goTo(Math.min(place, this.images.length - 1));
    else {
      this.frame = null;
      this.bitmap = null;
    }
  }
}
