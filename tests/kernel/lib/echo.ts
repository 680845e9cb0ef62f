// SPDX-License-Identifier: BSD-3-Clause
/** The echo client's commands, which are the same for all drivers. */

export * from "../../conformance/lib/echo.ts";
