// Keypoints and skeletons on a canvas, in CSS px.

import type { View } from "./view";
import { toScreen } from "./view";

/** A colour for each of a number of keypoints, apart in hue and alternating in lightness. */
export function keypointColour(place: number, count: number): string {
  const hue = (20 + (360 * place) / Math.max(count, 1)) % 360;
  return `oklch(${place % 2 ? 0.86 : 0.74} 0.17 ${hue.toFixed(0)})`;
}

export interface Drawn {
  x: number | null;
  y: number | null;
  /** Dashed and hollow. */
  isFaint: boolean;
  isSelected: boolean;
  /** From 0 to 1. */
  strength: number;
}

export function drawAnimal(
  context: CanvasRenderingContext2D,
  view: View,
  points: Drawn[],
  edges: [number, number][],
  options: { radius: number; isActive: boolean; colour?: string; names?: string[] },
): void {
  const places = points.map((point) =>
    point.x === null || point.y === null ? null : toScreen(view, { x: point.x, y: point.y }),
  );
  context.lineCap = "round";
  for (const [first, second] of edges) {
    const from = places[first];
    const to = places[second];
    if (!from || !to) continue;
    const strength = Math.min(points[first]!.strength, points[second]!.strength);
    context.globalAlpha = (options.isActive ? 0.85 : 0.5) * strength;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    context.lineWidth = 3.5;
    context.stroke();
    context.strokeStyle = options.colour ?? "white";
    context.lineWidth = 1.5;
    context.stroke();
  }
  places.forEach((place, index) => {
    if (place) drawPoint(context, place, points[index]!, index, points.length, options);
  });
  context.globalAlpha = 1;
}

function drawPoint(
  context: CanvasRenderingContext2D,
  place: { x: number; y: number },
  point: Drawn,
  index: number,
  count: number,
  options: { radius: number; isActive: boolean; names?: string[] },
): void {
  const colour = keypointColour(index, count);
  context.globalAlpha = (options.isActive ? 1 : 0.65) * point.strength;
  context.beginPath();
  context.arc(place.x, place.y, options.radius, 0, 2 * Math.PI);
  context.strokeStyle = "rgba(0, 0, 0, 0.85)";
  context.lineWidth = 4;
  context.setLineDash([]);
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.setLineDash(point.isFaint ? [3, 3] : []);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  context.arc(place.x, place.y, 1.25, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  if (point.isSelected) {
    context.beginPath();
    context.arc(place.x, place.y, options.radius + 4, 0, 2 * Math.PI);
    context.strokeStyle = "white";
    context.lineWidth = 1.5;
    context.stroke();
  }
  if (options.names?.[index]) drawName(context, place, options.names[index] ?? "", options.radius);
}

function drawName(
  context: CanvasRenderingContext2D,
  place: { x: number; y: number },
  name: string,
  radius: number,
): void {
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.strokeText(name, place.x + radius + 5, place.y);
  context.fillStyle = "white";
  context.fillText(name, place.x + radius + 5, place.y);
}
