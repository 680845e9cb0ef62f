/* SPDX-License-Identifier: BSD-3-Clause */
/* A library that is preloaded into a process, with BYTES of static thread-local data. */
__attribute__((tls_model("initial-exec"))) __thread char preloaded_data[BYTES];
