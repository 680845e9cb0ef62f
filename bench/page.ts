// SPDX-License-Identifier: BSD-3-Clause
import type { Report } from "./results.ts";
export function renderPage(report: Report): string {
  return report.date;
}
