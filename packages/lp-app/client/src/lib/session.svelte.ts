// What the whole client shares: the project, the page that is shown, and messages.

import { ask, told, type NoProject, type OpenProject } from "./api";

interface Message {
  id: number;
  text: string;
  kind: "error" | "note";
}

export const session = $state({
  project: null as OpenProject | NoProject | null,
  messages: [] as Message[],
  help: false,
});

let counted = 0;

export function say(text: string, kind: "error" | "note" = "note"): void {
  if (session.messages.some((message) => message.text === text)) return;
  const id = ++counted;
  session.messages.push({ id, text, kind });
  if (kind === "note") setTimeout(() => dismiss(id), 6000);
}

export function dismiss(id: number): void {
  session.messages = session.messages.filter((message) => message.id !== id);
}

/** Do something, and show what goes wrong; undefined where it did. */
export async function shown<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    say(told(error), "error");
    return undefined;
  }
}

export async function loadProject(): Promise<void> {
  const found = await shown(() => ask<OpenProject | NoProject>("GET", "/api/project"));
  if (found) session.project = found;
}

export function project(): OpenProject {
  if (!session.project?.open) throw new Error("there is no project");
  return session.project;
}

// ------------------------------------------------------------------------------------ pages

export type Page = "project" | "choose" | "label" | "play";

export const route = $state({ page: "project" as Page, item: "", at: 0 });

const PAGES: Page[] = ["project", "choose", "label", "play"];

export function link(page: Page, item = "", at = 0): string {
  return `#/${page}/${encodeURIComponent(item)}${at ? `/${at}` : ""}`;
}

export function go(page: Page, item = "", at = 0): void {
  location.hash = link(page, item, at);
}

export function readRoute(): void {
  const [, page, item, at] = location.hash.split("/");
  route.page = PAGES.find((each) => each === page) ?? "project";
  route.item = decodeURIComponent(item ?? "");
  route.at = Number(at ?? 0) || 0;
}
