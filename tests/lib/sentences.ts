// SPDX-License-Identifier: BSD-3-Clause
/** The strings of a TypeScript source as in messages: pieces joined, values replaced by "…". */

/** Characters after which a slash begins a regular expression. */
const BEFORE_REGEXP = new Set("(,=:[!&|?{};+<>");

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t" };

class Scanner {
  readonly #text: string;
  #at = 0;
  #last = "(";
  /** The string that the last token is, to which a plus may add another one. */
  #open: string | undefined;
  readonly found: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads up to the brace that ends a template's value, or to the end. */
  scan(isValue: boolean): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!;
      if (isValue && char === "}" && depth === 0) break;
      depth += char === "{" ? 1 : char === "}" ? -1 : 0;
      this.#token(char);
    }
    this.#finish();
  }

  #token(char: string): void {
    if (/\s/.test(char)) this.#at++;
    else if (this.#text.startsWith("//", this.#at)) this.#skipTo("\n");
    else if (this.#text.startsWith("/*", this.#at)) this.#skipTo("*/");
    else if (char === "/" && BEFORE_REGEXP.has(this.#last)) this.#regexp();
    else if (char === '"' || char === "'") this.#add(this.#quoted(char));
    else if (char === "`") this.#add(this.#template());
    else {
      if (char !== "+") this.#finish();
      this.#last = char;
      this.#at++;
    }
  }

  #add(text: string): void {
    if (this.#last === "+" && this.#open !== undefined) this.#open += text;
    else {
      this.#finish();
      this.#open = text;
    }
    this.#last = '"';
  }

  #finish(): void {
    if (this.#open !== undefined) this.found.push(this.#open);
    this.#open = undefined;
  }

  #skipTo(end: string): void {
    const at = this.#text.indexOf(end, this.#at);
    this.#at = at < 0 ? this.#text.length : at + end.length;
  }

  #regexp(): void {
    this.#finish();
    let inClass = false;
    for (this.#at++; inClass || this.#text[this.#at] !== "/"; this.#at++) {
      const char = this.#text[this.#at];
      if (char === "\\") this.#at++;
      else if (char === "[") inClass = true;
      else if (char === "]") inClass = false;
    }
    this.#at++;
    this.#last = "/";
  }

  #quoted(quote: string): string {
    const start = this.#at;
    for (this.#at++; this.#text[this.#at] !== quote; this.#at++) {
      if (this.#text[this.#at] === "\\") this.#at++;
    }
    this.#at++;
    return this.#text.slice(start + 1, this.#at - 1).replace(
      /\\(.)/g,
      (_, char: string) => ESCAPES[char] ?? char,
    );
  }

  #template(): string {
    let text = "";
    for (this.#at++; this.#text[this.#at] !== "`"; this.#at++) {
      if (this.#text[this.#at] === "\\") {
        const char = this.#text[++this.#at]!;
        text += ESCAPES[char] ?? char;
      } else if (this.#text.startsWith("${", this.#at)) {
        this.#value();
        text += "…";
      } else text += this.#text[this.#at];
    }
    this.#at++;
    return text;
  }

  /** A value may contain strings of its own. */
  #value(): void {
    const inner = new Scanner(this.#text);
    inner.#at = this.#at + 2;
    inner.scan(true);
    this.found.push(...inner.found);
    this.#at = inner.#at;
  }
}

/** All strings of a source, in no order. */
export function stringsOf(source: string): string[] {
  const scanner = new Scanner(source);
  scanner.scan(false);
  return scanner.found;
}
