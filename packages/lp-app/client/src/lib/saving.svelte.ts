// Sends every edit to the server, in order, until it is acknowledged.

import { ask, Refused, Unreachable, told, type Frame, type Labels } from "./api";
import { say } from "./session.svelte";

export interface Conflict {
  image: string;
  mine: Labels;
  theirs: Labels;
  version: string;
}

export const saving = $state({
  /** Edits that the server has not acknowledged. */
  waiting: 0,
  /** Why the server does not answer; empty while it does. */
  trouble: "",
  conflict: null as Conflict | null,
});

const RETRY = 1000; // ms

/** The newest unacknowledged labels of each image. */
const outgoing = new Map<string, Labels>();
/** The versions that the server has acknowledged. */
const versions = new Map<string, string>();
const sending = new Set<string>();

export function acknowledged(frame: Frame): void {
  if (!outgoing.has(frame.image)) versions.set(frame.image, frame.version);
}

/** Labels that the server does not have yet. */
export function unacknowledged(image: string): Labels | undefined {
  return outgoing.get(image);
}

export function save(image: string, labels: Labels): void {
  outgoing.set(image, $state.snapshot(labels));
  count();
  void send(image);
}

/** Settle a conflict: keep what is on the server, or put one's own labels over it. */
export function settle(keepMine: boolean): Labels | null {
  const conflict = saving.conflict;
  saving.conflict = null;
  if (!conflict) return null;
  versions.set(conflict.image, conflict.version);
  if (keepMine) save(conflict.image, conflict.mine);
  return keepMine ? conflict.mine : conflict.theirs;
}

function count(): void {
  saving.waiting = outgoing.size;
}

async function send(image: string): Promise<void> {
  if (sending.has(image) || saving.conflict?.image === image) return;
  sending.add(image);
  try {
    for (let labels = outgoing.get(image); labels; labels = outgoing.get(image)) {
      const version = versions.get(image) ?? "";
      const frame = await ask<Frame>("PUT", "/api/labels/frame", { image, version, labels });
      versions.set(image, frame.version);
      if (outgoing.get(image) === labels) outgoing.delete(image);
      count();
      if (saving.trouble) {
        saving.trouble = "";
        say("connected again: every edit has been sent");
        for (const other of outgoing.keys()) void send(other);
      }
    }
  } catch (error) {
    failed(image, error);
  } finally {
    sending.delete(image);
  }
}

function failed(image: string, error: unknown): void {
  const mine = outgoing.get(image)!;
  if (error instanceof Unreachable) {
    saving.trouble = error.message;
    setTimeout(() => void send(image), RETRY);
  } else if (error instanceof Refused && error.status === 409 && error.current) {
    outgoing.delete(image);
    count();
    saving.conflict = { image, mine, theirs: error.current.labels, version: error.current.version };
  } else if (error instanceof Refused && error.status === 507) {
    saving.trouble = told(error);
    setTimeout(() => void send(image), RETRY);
  } else {
    outgoing.delete(image);
    count();
    say(`this edit was refused: ${told(error)}`, "error");
  }
}

window.addEventListener("beforeunload", (event) => {
  if (outgoing.size) event.preventDefault();
});
