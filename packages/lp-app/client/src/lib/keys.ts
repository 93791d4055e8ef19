// Keys of a page: what they do, and in what words the help tells it.

export interface Key {
  /** Such as "a", "Ctrl+z" or "Shift+ArrowLeft"; the first one is shown. */
  keys: string[];
  does: string;
  act: () => void;
}

export interface Keys {
  title: string;
  list: Key[];
}

export function named(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key));
  const modifiers = [
    (event.ctrlKey || event.metaKey) && "Ctrl",
    event.altKey && "Alt",
    shift && "Shift",
  ];
  return [...modifiers.filter(Boolean), key].join("+");
}

/** Whether keys typed there are text, not commands. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target.tagName === "INPUT") {
    const kind = (target as HTMLInputElement).type;
    if (kind === "range") return event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End";
    return kind !== "checkbox" && kind !== "radio";
  }
  return ["TEXTAREA", "SELECT"].includes(target.tagName);
}

/** Whether the key operates the button or link that has the focus. */
export function isForButton(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return (event.key === "Enter" || event.key === " ") && !!target?.closest("button, a, summary, input");
}

export function dispatch(event: KeyboardEvent, list: Key[]): void {
  if (isTyping(event) || isForButton(event) || event.defaultPrevented) return;
  const found = list.find((key) => key.keys.includes(named(event)));
  if (!found) return;
  event.preventDefault();
  found.act();
}

const SHOWN: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  " ": "Space",
};

export function readable(key: string): string {
  if (key === "+") return key;
  return key
    .split("+")
    .map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" ");
}
