// SPDX-License-Identifier: BSD-3-Clause
/** Just enough SVG for the pictures in `docs/pictures`: boxes, text and arrows in two themes. */

/** The colours of a picture. Both sets are GitHub's, so a picture has no visible edge there. */
export interface Theme {
  readonly name: "light" | "dark";
  readonly page: string;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly fill: string;
  /** The kernel's side, the shared memory, and the user's side. */
  readonly kernel: string;
  readonly shared: string;
  readonly user: string;
}

export const THEMES: readonly Theme[] = [
  {
    name: "light",
    page: "#ffffff",
    text: "#1f2328",
    muted: "#59636e",
    line: "#8c959f",
    fill: "#f6f8fa",
    kernel: "#9a3b00",
    shared: "#1a7f37",
    user: "#0969da",
  },
  {
    name: "dark",
    page: "#0d1117",
    text: "#f0f6fc",
    muted: "#9198a1",
    line: "#656c76",
    fill: "#161b22",
    kernel: "#f0883e",
    shared: "#3fb950",
    user: "#58a6ff",
  },
];

/** Fonts that each system has under one of these names. */
const SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

export type Colour = Exclude<keyof Theme, "name">;

export interface TextStyle {
  readonly size?: number;
  readonly colour?: Colour;
  readonly bold?: boolean;
  readonly mono?: boolean;
  readonly anchor?: "start" | "middle" | "end";
  /** Hides the lines behind the text. */
  readonly halo?: boolean;
  /** The width that the text gets, whichever font is used. */
  readonly length?: number;
}

export interface BoxStyle {
  readonly stroke?: Colour;
  readonly fill?: Colour;
  readonly dashed?: boolean;
  readonly thick?: boolean;
}

export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A picture that is drawn from the top left. Lengths are in pixels at the picture's own size. */
export class Picture {
  readonly #parts: string[] = [];

  constructor(readonly theme: Theme, readonly width: number, readonly height: number) {}

  /** Text with its baseline at `y`. */
  text(x: number, y: number, text: string, style: TextStyle = {}): void {
    const { size = 14, colour = "text", bold, mono, anchor = "start", halo, length } = style;
    const weight = bold ? ' font-weight="600"' : "";
    const behind = halo ? ` paint-order="stroke" stroke="${this.theme.page}" stroke-width="5"` : "";
    const stretch = length === undefined ? "" : ` textLength="${length}"`;
    const family = mono ? ` font-family="${MONO}"` : "";
    this.#parts.push(
      `<text x="${x}" y="${y}" font-size="${size}" fill="${
        this.theme[colour]
      }"${weight}${family}${behind}${stretch}` +
        ` text-anchor="${anchor}" xml:space="preserve">${escape(text)}</text>`,
    );
  }

  /** Elements as they are written. */
  raw(element: string): void {
    this.#parts.push(element);
  }

  box(x: number, y: number, width: number, height: number, style: BoxStyle = {}): void {
    const { stroke = "line", fill = "fill", dashed, thick } = style;
    const dash = dashed ? ' stroke-dasharray="5 4"' : "";
    this.#parts.push(
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6"` +
        ` fill="${this.theme[fill]}" stroke="${this.theme[stroke]}"` +
        ` stroke-width="${thick ? 2 : 1}"${dash}/>`,
    );
  }

  /** An area without an edge, such as the bar of a chart. */
  bar(x: number, y: number, width: number, height: number, colour: Colour): void {
    this.#parts.push(
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="2"` +
        ` fill="${this.theme[colour]}"/>`,
    );
  }

  line(x1: number, y1: number, x2: number, y2: number, colour: Colour = "line"): void {
    this.#parts.push(
      `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${this.theme[colour]}" fill="none"/>`,
    );
  }

  /** A line along points, with a head at its end. */
  arrow(points: readonly (readonly [number, number])[], colour: Colour, dashed = false): void {
    const [x, y] = points.at(-1)!;
    const [fromX, fromY] = points.at(-2)!;
    const angle = Math.atan2(y - fromY, x - fromX);
    const at = (turn: number): string => {
      const [dx, dy] = [9 * Math.cos(angle + turn), 9 * Math.sin(angle + turn)];
      return `${(x - dx).toFixed(1)} ${(y - dy).toFixed(1)}`;
    };
    const path = points.map(([px, py], i) => `${i === 0 ? "M" : "L"}${px} ${py}`).join("");
    const dash = dashed ? ' stroke-dasharray="5 4"' : "";
    const ink = this.theme[colour];
    this.#parts.push(
      `<path d="${path}" stroke="${ink}" stroke-width="2" fill="none"${dash}/>`,
      `<path d="M${x} ${y}L${at(0.45)}L${at(-0.45)}Z" fill="${ink}"/>`,
    );
  }

  /** The file. A screen reader reads the title and the description. */
  toSvg(title: string, description: string): string {
    const { width, height, theme } = this;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}"` +
      ` height="${height}" role="img" aria-labelledby="title desc" font-family="${SANS}">`,
      "<!-- Generated by scripts/pictures (make pictures). Do not edit. -->",
      `<title id="title">${escape(title)}</title>`,
      `<desc id="desc">${escape(description)}</desc>`,
      `<rect width="${width}" height="${height}" fill="${theme.page}"/>`,
      ...this.#parts,
      "</svg>",
      "",
    ].join("\n");
  }
}
