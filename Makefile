# SPDX-License-Identifier: BSD-3-Clause
# Every target does its own set-up, once: what it fetches or builds stays in .cache/.

DENO_VERSION := 2.9.6
# The oldest Deno that works; src/runtime.ts has it too.
DENO_MINIMUM := 2.7.12
ZIG_VERSION  := 0.15.2
KERNEL       ?= 6.12
ARCH         := $(shell uname -m)

CACHE   := .cache
DENO    := $(CACHE)/deno-$(DENO_VERSION)/bin/deno
OLDEST  := $(CACHE)/deno-$(DENO_MINIMUM)/bin/deno
ZIG     := $(CACHE)/zig-$(ZIG_VERSION)/ziglang/zig
# Fetched modules stay in the project, so that `make distclean` leaves nothing behind.
export DENO_DIR := $(CURDIR)/$(CACHE)/deno-dir
export DENO_NO_UPDATE_CHECK := 1
# A company's proxy may have a certificate of its own, which the system knows.
export DENO_TLS_CA_STORE ?= mozilla,system
export PATH := $(CURDIR)/$(dir $(DENO)):$(PATH)
export KUP_ZIG := $(CURDIR)/$(ZIG)
# So the home folder, if there is one, stays as it is.
export ZIG_GLOBAL_CACHE_DIR := $(CURDIR)/$(CACHE)/zig-cache
export ZIG_LOCAL_CACHE_DIR := $(ZIG_GLOBAL_CACHE_DIR)

# The running kernel's headers, for `all` and `load`. The VM tests have their own.
HEADERS := /lib/modules/$(shell uname -r)/build
# The kernel's build system can't use a path with blanks.
BLANKS  := $(filter-out 1,$(words $(CURDIR)))
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)

# A misspelled variable must not be ignored. These may be set: the variables of the targets below;
# those that are defined above; and those of the builds of the native library and of kernel modules.
VARIABLES := KERNEL FILE FILTER MODULE COMMAND FORCE VM_SILENCE MINUTES SEED PREFIX DESTDIR ARGS
SETTINGS  := DENO_VERSION DENO_MINIMUM ZIG_VERSION ARCH CACHE DENO OLDEST ZIG DENO_DIR PATH \
             HEADERS SUDO KUP KUP_%
BUILDING  := CC CXX CPP AR LD NM AS STRIP OBJCOPY OBJDUMP READELF CFLAGS CXXFLAGS CPPFLAGS ASFLAGS \
             LDFLAGS LDLIBS LIBS BUILD LIBRARY SYSTEM SHELL MAKE MAKEFLAGS TMPDIR V W C CF M O \
             CHECK HOST% KCFLAGS KCPPFLAGS KAFLAGS KBUILD_% CONFIG_% CROSS_COMPILE% LLVM LLVM_IAS \
             EXTRA_% INSTALL_% LOCALVERSION NO_COLOR FORCE_COLOR
given   := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
unknown := $(filter-out $(VARIABLES) $(SETTINGS) $(BUILDING) -%,$(given))
comma   := ,
empty   :=
# Another project's make may pass on variables of its own.
ifeq ($(MAKELEVEL),0)
ifneq ($(unknown),)
$(error make: unknown variable $(unknown); known: $(subst $(empty) ,$(comma) ,$(VARIABLES)), and \
those of compilers and kernel builds (CC, CFLAGS, V, W, ...))
endif
endif

# These are used as they are written, with blanks, quotes and dollars.
unexport FILE FILTER MODULE COMMAND
export KUP_FILE    := $(value FILE)
export KUP_FILTER  := $(value FILTER)
export KUP_MODULE  := $(value MODULE)
export KUP_COMMAND := $(value COMMAND)

# Runs Deno with the configuration for this machine (see scripts/deno_config.ts). When this make
# ends, Deno ends too, and with it a virtual machine.
config   = KUP_DENO_CONFIG=$$($(DENO) run -A --no-config scripts/deno_config.ts) && \
           export KUP_DENO_CONFIG
bound   := $(if $(wildcard /usr/bin/setpriv),setpriv --pdeathsig TERM)
deno_run = $(config) && exec $(bound) $(DENO) run -A --config "$$KUP_DENO_CONFIG"
vm       = $(deno_run) tests/vm/main.ts --kernel="$(KERNEL)"

.DEFAULT_GOAL := all
.PHONY: all native prebuilt modules setup compiler packages nats test test-vm test-debug test-arm64 \
        debug-kernel unit stress check check-freebsd fmt vm demo demo-vm example example-vm bench bench-vm \
        install publish reproduce load unload abi pictures recording bindings clean distclean help

##@ To build

all: native modules ## Build the native library, and the modules if the kernel's headers are here

native: compiler ## Build the native library alone (CC, CFLAGS)
	@$(MAKE) -s -C native

prebuilt: $(DENO) $(ZIG) ## Build the library for every machine, as a part of the module
	@$(DENO) run -A --no-config scripts/embed.ts "$$KUP_ZIG"
	@$(DENO) run -A --no-config scripts/embed_files.ts

modules: packages ## Build the modules for the running kernel (V, W and others of kernel builds)
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

# The C compiler for other machines.
$(ZIG):
	@sh scripts/setup.sh zig $(CACHE)/zig-$(ZIG_VERSION) $(ZIG_VERSION)

compiler:
	@sh scripts/setup.sh compiler

packages:
	@sh scripts/setup.sh packages

# A server and its client for examples/nats.
nats: setup
	@$(deno_run) scripts/nats_server.ts >/dev/null

##@ To try

demo: $(DENO) native ## Run examples/echo.ts on the host driver, in seconds
	@echo "demo: examples/echo.ts host:echo, the engine in threads of the same process"
	@$(config) && $(DENO) run --allow-ffi --config "$$KUP_DENO_CONFIG" examples/echo.ts
	@echo "demo: \`make demo-vm\` shows the same on a real kernel, in an emulated machine"

demo-vm: setup ## Run examples/echo.ts on a real kernel in a VM (KERNEL)
	@echo "demo: examples/echo.ts on a real Linux $(KERNEL), in an emulated machine: times are many"
	@echo "demo: times those of real hardware, so each side may look for 2 ms before it sleeps"
	@$(vm) --run 'deno run --allow-ffi examples/echo.ts --spin 2000 /dev/kup/echo'

example: $(DENO) native ## Run examples/ticker, a client module of its own, on the host driver
	@$(MAKE) -s -C examples/ticker
	@$(config) && $(DENO) run --allow-ffi --config "$$KUP_DENO_CONFIG" examples/ticker/ticker.ts
	@echo "example: \`make example-vm\` runs the same two files on a real kernel"

example-vm: setup ## Run examples/ticker on a real kernel in a VM (KERNEL)
	@$(vm) --module examples/ticker --run 'deno run --allow-ffi ticker.ts /dev/ticker'

vm: setup ## Open a shell in a VM, or run COMMAND, with your module (KERNEL, MODULE, COMMAND)
	@$(vm) $(if $(KUP_MODULE),--module="$$KUP_MODULE") \
		$(if $(KUP_COMMAND),--run="$$KUP_COMMAND",--shell)

bench: setup prebuilt native ## Run the benchmarks, with targets, and write a page (ARGS="echo --quick")
	@$(deno_run) --v8-flags=--expose-gc bench/main.ts $(ARGS)

bench-vm: setup native ## Run the benchmark of a real kernel in a VM: ratios only (KERNEL)
	@$(MAKE) -s -C bench
	@$(vm) --quiet --module bench --run 'insmod /lib/modules/bench_proxy.ko && \
		insmod /lib/modules/bench.ko spin=2000 && deno run -A vm.ts'

##@ To work on it

unit: setup prebuilt native nats $(OLDEST) ## Run a file or folder of tests on this machine (FILE, FILTER)
	@$(deno_run) tests/unit.ts $(if $(KUP_FILTER),--filter="$$KUP_FILTER") \
		$(if $(KUP_FILE),-- "$$KUP_FILE")

test-vm: setup prebuilt ## Run the kernel tests in a VM (KERNEL, FILTER, VM_SILENCE)
	@$(vm) --test $(if $(KUP_FILTER),--filter="$$KUP_FILTER")

test-debug: setup prebuilt ## Run the kernel tests in a kernel full of detectors
	@$(deno_run) tests/run.ts --only vm --kernel debug

test-arm64: setup prebuilt ## Run the kernel tests on arm64, emulated (KERNEL=6.12 or 6.1)
	@$(deno_run) tests/run.ts --only vm --kernel "$(KERNEL)-arm64"

debug-kernel: setup ## Build that kernel alone, which takes minutes, once
	@$(deno_run) harness/debug_kernel.ts

check: setup prebuilt ## Run the static checks whose inputs have changed, or all (FORCE=1)
	@$(deno_run) tests/run.ts --only static $(if $(filter-out 0 no,$(FORCE)),--force)

check-freebsd: $(ZIG) ## Compile everything for FreeBSD, against its headers
	@ZIG="$(KUP_ZIG)" sh scripts/check_freebsd.sh

test: setup prebuilt nats $(OLDEST) ## Run everything: static checks, unit tests, kernel tests in VMs
	@$(deno_run) tests/run.ts --force

stress: setup ## Run the random tests for this long, under sanitizers (MINUTES=5, SEED=1)
	@$(deno_run) tests/stress.ts

.PHONY: reference version
reference: setup ## Generate the reference and the manual pages from headers and help texts
	@$(deno_run) scripts/gen_reference.ts

fmt: setup ## Format every source file
	@$(config) && $(DENO) fmt --config "$$KUP_DENO_CONFIG"
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

abi: setup ## Generate the TypeScript offsets from the shared header
	@$(deno_run) scripts/gen_abi.ts

pictures: $(DENO) ## Draw docs/pictures from scripts/pictures and docs/performance.md
	@$(DENO) run -A --no-config scripts/pictures/main.ts

recording: $(DENO) native prebuilt ## Record what kup ping and kup top print, for docs/pictures
	@$(deno_run) scripts/pictures/record.ts

bindings: setup ## Generate src/symbols.ts from the native library's header (needs cargo)
	@$(deno_run) scripts/gen_symbols.ts

##@ To use

install: native ## Install the C library, headers, manual pages, a pkg-config file (PREFIX, DESTDIR)
	@$(MAKE) -s -C native install

reproduce: $(DENO) $(ZIG) prebuilt ## Build the embedded libraries again in another folder, and compare
	@sh scripts/reproduce.sh

publish: setup prebuilt ## Build, check and publish the module (ARGS=--dry-run)
	@version=v$$(sed -n 's/.*"version": "\(.*\)".*/\1/p' deno.json) && \
	[ "$${GITHUB_REF_TYPE-}" != tag ] || [ "$$GITHUB_REF_NAME" = "$$version" ] || { \
		echo "publish: the tag is $$GITHUB_REF_NAME, and deno.json has $$version" >&2; exit 1; }
	@changes=$$(git status --porcelain) && [ -z "$$changes" ] || { \
		echo "publish: commit or remove what \`git status\` lists first" >&2; exit 1; }
	@$(if $(filter --dry-run,$(ARGS)),,$(DENO) run -A --no-config scripts/version.ts --released)
	@$(deno_run) tests/run.ts --only static --force
	@$(DENO) publish --config deno.json $(ARGS)

version: $(DENO) ## Write a new version everywhere, and date the changelog (ARGS=0.2.0)
	@$(DENO) run -A --no-config scripts/version.ts $(ARGS)

load: modules ## Load both modules into the running kernel
	$(SUDO) insmod kmod/kup.ko
	$(SUDO) insmod kmod/kup_echo.ko

unload: ## Take both modules out of the running kernel
	$(SUDO) rmmod kup_echo kup

##@ To tidy

clean: ## Remove what was built, keep what was fetched
	@for part in native bench $(dir $(wildcard examples/*/Makefile)) tests/c tests/conformance/c \
		tests/kernel/c tests/seed; do \
		if [ -f $$part/Makefile ]; then $(MAKE) -s -C $$part clean || exit; fi; \
	done
	@if [ -z "$(BLANKS)" ] && [ -d $(HEADERS) ]; then \
		$(MAKE) -s -C $(HEADERS) M=$(CURDIR)/kmod clean; fi
	rm -rf src/embedded harness/embedded $(CACHE)/build $(CACHE)/checks $(CACHE)/vm $(CACHE)/zig-cache \
		$(CACHE)/bindgen

distclean: clean ## Remove everything that is not in git
	rm -rf $(CACHE) deno.offline.json

help: ## List the targets, and in brackets the variables that they take
	@awk -F ':.*## ' '/^##@ /{printf "%s%s\n", sep, substr($$0, 5); sep = "\n"} \
		/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "KERNEL is 6.1, 6.12 (the default), 7.x, debug, 6.1-arm64 or 6.12-arm64;"
	@echo "FILTER is a part of tests' names, or /a pattern/;"
	@echo "VM_SILENCE is how many seconds a guest may print nothing, 300 if it is not set."
