// What the server answers, and how it is asked.

/** x, y in frame px (null: no position), and 0 not labelled, 1 occluded, 2 visible. */
export type Keypoint = [number | null, number | null, number];

export interface Animal {
  name: string | null;
  keypoints: Keypoint[];
}

export interface Labels {
  animals: Animal[];
  empty: boolean;
}

export interface Frame {
  image: string;
  version: string;
  labels: Labels;
  keypoints: string[];
  several: boolean;
}

export interface Listed {
  image: string;
  video: string | null;
  frame: number | null;
  state: "waiting" | "labelled" | "empty";
  why: string;
  animals: number;
  points: number;
}

export interface VideoFile {
  id: string;
  name: string;
  stem: string;
  outside: string | null;
}

export interface OpenProject {
  open: true;
  name: string;
  folder: string;
  config: string | null;
  keypoints: string[];
  edges: [number, number][];
  left_right: [number, number][];
  individuals: string[];
  views: string[];
  label_files: string[];
  videos: VideoFile[];
  problems: string[];
  unsaved: number;
  /** Chosen images that nobody has labelled yet. */
  waiting: number;
}

export interface NoProject {
  open: false;
  folder: string;
}

export interface Source {
  id: string;
  name: string;
  folder: string;
}

export interface Problem {
  severity: "error" | "warning";
  problem: string;
  where: string;
  remedy: string;
}

export interface HealthReport {
  frames: number;
  labelled: number;
  animals: number;
  share: number;
  keypoints: { name: string; visible: number; occluded: number }[];
  individuals: { name: string; images: number; keypoints: number }[];
  problems: Problem[];
  videos: {
    id: string;
    frames: number;
    width: number;
    height: number;
    fps: number;
    codec: string;
  }[];
  neighbours: number;
  edited: boolean;
}

export interface Health {
  running: boolean;
  error: string | null;
  report: HealthReport | null;
}

export interface Video {
  id: string;
  name: string;
  frames: number;
  fps: number;
  width: number;
  height: number;
  notes: string[];
  labelled: number[];
  waiting: number[];
  models: { id: string; name: string }[];
}

export interface Suggestion {
  frame: number;
  why: string;
}

export interface PredictedAnimal {
  name: string | null;
  /** x and y in frame px, and the confidence. */
  keypoints: [number | null, number | null, number | null][];
}

export interface Predicted {
  keypoints: string[];
  individuals: string[];
  start: number;
  frames: PredictedAnimal[][];
}

/** What is wrong, in the words of the server. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: string,
    readonly where: string | null,
    readonly remedy: string | null,
    readonly current: { version: string; labels: Labels } | null,
  ) {
    super(problem);
  }
}

/** The server cannot be reached, or does not know this browser any more. */
export class Unreachable extends Error {
  constructor(readonly unknown: boolean) {
    super(
      unknown
        ? "the server was started again: open the address that it printed, in this browser"
        : "the server cannot be reached",
    );
  }
}

async function answered(method: string, path: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable(false);
  }
  if (response.ok) return response;
  if (response.status === 401) throw new Unreachable(true);
  const said = await response.json().catch(() => ({}));
  throw new Refused(
    response.status,
    said.problem ?? `the server answers ${response.status}`,
    said.where ?? null,
    said.remedy ?? null,
    said.current ?? null,
  );
}

export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await answered(method, path, body)).json();
}

export async function picture(path: string): Promise<ImageBitmap> {
  return createImageBitmap(await (await answered("GET", path)).blob());
}

export function query(values: Record<string, string | number>): string {
  return new URLSearchParams(
    Object.entries(values).map(([name, value]) => [name, String(value)]),
  ).toString();
}

export function told(error: unknown): string {
  if (error instanceof Refused) {
    return [error.problem, error.where && `in: ${error.where}`, error.remedy && `try: ${error.remedy}`]
      .filter(Boolean)
      .join("\n");
  }
  return error instanceof Error ? error.message : String(error);
}
