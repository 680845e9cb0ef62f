/* SPDX-License-Identifier: BSD-3-Clause */
/* Something that is preloaded into a process, with BYTES of static thread-local data. */
__attribute__((tls_model("initial-exec"))) __thread char preloaded_data[BYTES];
