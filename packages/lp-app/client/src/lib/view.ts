// Where a picture is on the screen. The centre of its top-left pixel is (0, 0) in frame px.

export interface View {
  /** CSS px for each frame px. */
  scale: number;
  /** CSS px of the picture's top-left corner. */
  left: number;
  top: number;
}

export interface Point {
  x: number;
  y: number;
}

const MOST = 64;

export function toScreen(view: View, point: Point): Point {
  return {
    x: (point.x + 0.5) * view.scale + view.left,
    y: (point.y + 0.5) * view.scale + view.top,
  };
}

export function toFrame(view: View, place: Point): Point {
  return {
    x: (place.x - view.left) / view.scale - 0.5,
    y: (place.y - view.top) / view.scale - 0.5,
  };
}

export function fitted(width: number, height: number, room: { width: number; height: number }): View {
  const scale = Math.min(room.width / width, room.height / height) || 1;
  return {
    scale,
    left: (room.width - width * scale) / 2,
    top: (room.height - height * scale) / 2,
  };
}

/** Zoomed, while what is at a place on the screen stays there. */
export function zoomed(view: View, factor: number, at: Point, least: number): View {
  const scale = Math.min(MOST, Math.max(least, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, left: at.x - (at.x - view.left) * ratio, top: at.y - (at.y - view.top) * ratio };
}
