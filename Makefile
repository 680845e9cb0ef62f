# SPDX-License-Identifier: BSD-3-Clause
# Every target does its own set-up, and does it once: what is fetched or built stays in .cache/.

DENO_VERSION := 2.9.6
# The oldest one that works; src/runtime.ts has it, too.
DENO_MINIMUM := 2.7.12
ZIG_VERSION  := 0.15.2
KERNEL       ?= 6.12
ARCH         := $(shell uname -m)

CACHE   := .cache
DENO    := $(CACHE)/deno-$(DENO_VERSION)/bin/deno
OLDEST  := $(CACHE)/deno-$(DENO_MINIMUM)/bin/deno
ZIG     := $(CACHE)/zig-$(ZIG_VERSION)/ziglang/zig
# Modules that are fetched stay with the project, so that `make distclean` leaves nothing behind.
export DENO_DIR := $(CURDIR)/$(CACHE)/deno-dir
export DENO_NO_UPDATE_CHECK := 1
export PATH := $(CURDIR)/$(dir $(DENO)):$(PATH)
export KUP_ZIG := $(CURDIR)/$(ZIG)

# The running kernel's own headers, for `all` and `load`. The VM tests bring their own.
HEADERS := /lib/modules/$(shell uname -r)/build
# The kernel's build system takes no path with blanks.
BLANKS  := $(filter-out 1,$(words $(CURDIR)))
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)

# Runs Deno with the configuration that fits this machine (see scripts/deno_config.ts).
config   = KUP_DENO_CONFIG=$$($(DENO) run -A --no-config scripts/deno_config.ts) && \
           export KUP_DENO_CONFIG
deno_run = $(config) && $(DENO) run -A --config "$$KUP_DENO_CONFIG"
vm       = $(deno_run) tests/vm/main.ts --kernel $(KERNEL)

.DEFAULT_GOAL := all
.PHONY: all native prebuilt modules setup compiler packages test stress check check-freebsd fmt vm \
        demo demo-vm example example-vm bench bench-vm install publish load unload abi bindings \
        clean distclean help

all: native modules ## Build the native library, and the modules if the kernel's headers are here

native: compiler ## Build the native library alone
	@$(MAKE) -s -C native

prebuilt: $(DENO) $(ZIG) ## Build the library for every machine, as a part of the module
	@$(DENO) run -A --no-config scripts/embed.ts "$$KUP_ZIG"

modules: packages ## Build the modules for the running kernel
	@if [ -n "$(BLANKS)" ]; then \
		echo "modules: not built: the kernel's build system takes no path with blanks, and"; \
		echo "modules: this folder has one; move the checkout, or use \`make vm\`"; \
	elif [ -d $(HEADERS) ]; then \
		echo '$(MAKE) -C $(HEADERS) M=$(CURDIR)/kmod modules'; \
		$(MAKE) -C $(HEADERS) M=$(CURDIR)/kmod modules; \
	else \
		echo "modules: not built, $(HEADERS) is missing."; \
		echo "modules: get it with: apt-get install linux-headers-$$(uname -r)"; \
		echo "modules: (\`make vm\` needs none: it brings a kernel of its own)"; \
	fi

setup: $(DENO) packages ## Get Deno and the Debian packages that are missing
	@$(config) && echo "setup: done; Deno uses $$KUP_DENO_CONFIG"

$(CACHE)/deno-%/bin/deno:
	@sh scripts/setup.sh deno $(CACHE)/deno-$* $*

# The C compiler for other machines than this one.
$(ZIG):
	@sh scripts/setup.sh zig $(CACHE)/zig-$(ZIG_VERSION) $(ZIG_VERSION)

compiler:
	@sh scripts/setup.sh compiler

packages:
	@sh scripts/setup.sh packages

test: setup prebuilt $(OLDEST) ## Run everything: static checks, unit tests, kernel tests in two VMs
	@$(deno_run) tests/run.ts

stress: setup ## Run what is random for long, under sanitizers (MINUTES=5 SEED=1)
	@$(deno_run) tests/stress.ts

check: setup prebuilt ## Run only the static checks
	@$(deno_run) tests/run.ts --only static

check-freebsd: $(ZIG) ## Compile everything for FreeBSD, against its headers
	@ZIG="$(KUP_ZIG)" sh scripts/check_freebsd.sh

fmt: setup ## Format every source file
	@$(config) && $(DENO) fmt --config "$$KUP_DENO_CONFIG"
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

vm: setup ## Open a shell in a VM with everything loaded (KERNEL=6.12; Ctrl-A X quits)
	@$(vm) --shell

demo: $(DENO) native ## Run examples/echo.ts on the host driver, in seconds
	@echo "demo: examples/echo.ts host:echo, the engine in threads of the same process"
	@$(config) && $(DENO) run --allow-ffi --config "$$KUP_DENO_CONFIG" examples/echo.ts
	@echo "demo: \`make demo-vm\` shows the same on a real kernel, in an emulated machine"

demo-vm: setup ## Run examples/echo.ts on a real kernel in a VM (KERNEL=6.12)
	@echo "demo: examples/echo.ts on a real Linux $(KERNEL), in an emulated machine: times are many"
	@echo "demo: times those of real hardware, so each side may look for 2 ms before it sleeps"
	@$(vm) --run 'deno run --allow-ffi examples/echo.ts --spin 2000 /dev/kup/echo'

example: $(DENO) native ## Run examples/ticker, a client module of its own, on the host driver
	@$(MAKE) -s -C examples/ticker
	@$(config) && $(DENO) run --allow-ffi --config "$$KUP_DENO_CONFIG" examples/ticker/ticker.ts
	@echo "example: \`make example-vm\` runs the same two files on a real kernel"

example-vm: setup ## Run examples/ticker on a real kernel in a VM (KERNEL=6.12)
	@$(vm) --run 'insmod /lib/modules/ticker.ko && \
		deno run --allow-ffi examples/ticker/ticker.ts /dev/ticker'

bench: $(DENO) native ## Run the benchmarks on the host driver
	@$(config) && for file in bench/echo.ts bench/ring.ts; do \
		$(DENO) run -A --config "$$KUP_DENO_CONFIG" $$file || exit; \
	done

bench-vm: setup ## Run the benchmark of a real kernel's echo in a VM (KERNEL=6.12)
	@echo "bench: Linux $(KERNEL) in an emulated machine: only ratios mean something"
	@$(vm) --quiet --run 'deno run -A bench/echo.ts /dev/kup/echo'

install: native ## Install the C library, its headers and a pkg-config file (PREFIX, DESTDIR)
	@$(MAKE) -s -C native install

publish: setup prebuilt ## Build, check and publish the module (ARGS=--dry-run only checks)
	@changes=$$(git status --porcelain) && [ -z "$$changes" ] || { \
		echo "publish: commit or remove what \`git status\` lists first" >&2; exit 1; }
	@$(deno_run) tests/run.ts --only static
	@$(DENO) publish --config deno.json $(ARGS)

load: modules ## Load both modules into the running kernel
	$(SUDO) insmod kmod/kup.ko
	$(SUDO) insmod kmod/kup_echo.ko

unload: ## Take both modules out of the running kernel
	$(SUDO) rmmod kup_echo kup

abi: setup ## Generate the TypeScript offsets from the shared header
	@$(deno_run) scripts/gen_abi.ts

bindings: setup ## Generate TypeScript's table of native calls from the library's header (needs cargo)
	@$(deno_run) scripts/gen_symbols.ts

clean: ## Remove what was built, keep what was fetched
	@for part in native examples/ticker tests/c tests/conformance/c tests/kernel/c \
		tests/seed; do \
		if [ -f $$part/Makefile ]; then $(MAKE) -s -C $$part clean || exit; fi; \
	done
	@if [ -z "$(BLANKS)" ] && [ -d $(HEADERS) ]; then \
		$(MAKE) -s -C $(HEADERS) M=$(CURDIR)/kmod clean; fi
	rm -rf src/embedded $(CACHE)/build $(CACHE)/vm $(CACHE)/zig-cache $(CACHE)/bindgen

distclean: clean ## Remove everything that is not in git
	rm -rf $(CACHE) deno.offline.json

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
