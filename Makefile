# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test torture fuzz sanitize build release deb managed-plugin install format lint docs bench bench-check bench-tools clean

PREFIX ?= /usr
DESTDIR ?=
SYSCONFDIR ?= /etc
JOBS ?= $(shell nproc)

VERSION := $(shell sed -n 's/^.*static let version = "\(.*\)"$$/\1/p' Sources/MobyFSDaemon/Daemon.swift)
SWIFT_FLAGS := -j $(JOBS) --explicit-target-dependency-import-check error
# Nothing loads the program as a library: no symbols are exported, which leaves out what nobody calls. Relocations take
# 2 MiB where they are not packed, which needs lld, and glibc 2.36 to run. Constants are not writable. Functions
# that are used while calls are answered are next to each other: the kernel maps 64 KiB around each page that is used.
RELEASE_FLAGS := $(SWIFT_FLAGS) -c release --product mobyfs --static-swift-stdlib -Xlinker --no-export-dynamic \
	-Xswiftc -use-ld=lld -Xlinker -z -Xlinker pack-relative-relocs -Xlinker -T -Xlinker $(CURDIR)/packaging/sections.ld \
	-Xswiftc -Xfrontend -Xswiftc -function-sections -Xlinker --no-warn-symbol-ordering \
	-Xlinker --symbol-ordering-file=$(CURDIR)/packaging/hot-functions.txt
# More tests at once than this keep each other waiting on small machines.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 8
SWIFT_SOURCES := Package.swift Sources Tests
DEB_DIR := .build/deb
BENCH_DIR := .build/bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s%s\n", $$1, $$2 }' Makefile

run: ## build and run the daemon here: data in ./.mobyfs, no configuration
	@packaging/dependencies build
	@swift build $(SWIFT_FLAGS) --product mobyfs
	@exec .build/debug/mobyfs start --config /dev/null --data-dir .mobyfs/data --runtime-dir .mobyfs

test: lint ## install what is missing and run all tests, those with a real Docker Engine included
	@packaging/dependencies test
	@swift build $(SWIFT_FLAGS) --build-tests
	@$(MAKE) --no-print-directory deb managed-plugin
	@Tests/run swift test $(SWIFT_FLAGS) --skip-build

torture: ## break the daemon in every known way, for hours; `make test` has a short form
	@packaging/dependencies test
	@swift build $(SWIFT_FLAGS) --build-tests
	@$(MAKE) --no-print-directory deb
	@TORTURE=full Tests/run swift test $(SWIFT_FLAGS) --skip-build --no-parallel --filter '^TortureTests|/TortureHostTests'

fuzz: ## look for bytes that break the daemon: FUZZ_SECONDS (1800) for each FUZZ_TARGET (all)
	@packaging/dependencies test
	@JOBS=$(JOBS) Tests/fuzz $(FUZZ_TARGET)

sanitize: ## run the tests with the sanitizers of the compiler: SANITIZER (thread, then address)
	@packaging/dependencies test
	@for each in $(or $(SANITIZER),thread address); do JOBS=$(JOBS) Tests/sanitize $$each; done

bench: bench-tools ## measure mobyfs beside others: BENCH_ROWS, BENCH_ROUNDS, BENCH_SECONDS, BENCH_QUICK=1; see Benchmarks
	@PYTHONDONTWRITEBYTECODE=1 python3 Benchmarks/bench

bench-check: bench-tools ## count the instructions of the hot paths: BENCH_UPDATE=1 writes the baseline
	@PYTHONDONTWRITEBYTECODE=1 python3 Benchmarks/bench/check.py

# The program is the package's, stripped as it is installed, or BENCH_MOBYFS.
bench-tools:
	@packaging/dependencies bench
	@$(MAKE) --no-print-directory -C Benchmarks OUT=$(CURDIR)/$(BENCH_DIR)/bin
	@if [ -n "$${BENCH_MOBYFS:-}" ]; then strip -o $(BENCH_DIR)/bin/mobyfs "$$BENCH_MOBYFS"; else \
		$(MAKE) --no-print-directory deb; \
		dpkg-deb -x $(DEB_DIR)/mobyfs_*.deb $(BENCH_DIR)/package; \
		install $(BENCH_DIR)/package/usr/bin/mobyfs $(BENCH_DIR)/bin/mobyfs; \
	fi

build: ## build for debugging
	@packaging/dependencies build
	@swift build $(SWIFT_FLAGS)

release: ## build for use
	@packaging/dependencies build
	@swift build $(RELEASE_FLAGS)

deb: ## build the Debian package
	@packaging/dependencies deb
	@rm -rf $(DEB_DIR)
	@mkdir -p $(DEB_DIR)/mobyfs-$(VERSION)
	@cp -a packaging/debian $(DEB_DIR)/mobyfs-$(VERSION)/debian
	cd $(DEB_DIR)/mobyfs-$(VERSION) && MOBYFS_SOURCE=$(CURDIR) dpkg-buildpackage -b -us -uc -d -rfakeroot
	lintian --fail-on error $(DEB_DIR)/*.deb
	@ls -l $(DEB_DIR)/*.deb

managed-plugin: ## build the folder that `docker plugin create NAME .build/managed-plugin` takes
	@packaging/dependencies managed-plugin
	@swift build $(RELEASE_FLAGS)
	@packaging/managed-plugin/build "$$(swift build $(RELEASE_FLAGS) --show-bin-path)/mobyfs" .build/managed-plugin

install: ## install what `make release` has built, below DESTDIR
	install -D -m 755 "$$(swift build $(RELEASE_FLAGS) --show-bin-path)/mobyfs" $(DESTDIR)$(PREFIX)/bin/mobyfs
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system packaging/systemd/mobyfs*
	install -D -m 644 packaging/systemd/run-mobyfs-mounts-.mount.conf \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/run-mobyfs-mounts-.mount.d/mobyfs.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 packaging/man/*.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 packaging/man/*.7
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 packaging/man/*.8
	@# Made by the program itself; Debian's zsh and fish look into folders of their own for what packages bring.
	@for shell in bash:bash-completion/completions/mobyfs zsh:zsh/vendor-completions/_mobyfs \
		fish:fish/vendor_completions.d/mobyfs.fish; do \
		file=$(DESTDIR)$(PREFIX)/share/$${shell#*:}; echo "making $$file"; mkdir -p "$${file%/*}"; \
		$(DESTDIR)$(PREFIX)/bin/mobyfs --generate-completion-script "$${shell%%:*}" | sed "1{/^#!/d}" >"$$file"; \
		chmod 644 "$$file"; \
	done
	install -D -m 644 etc/mobyfs/mobyfs.env $(DESTDIR)$(SYSCONFDIR)/mobyfs/mobyfs.env

format: ## format the sources
	swift format -i -r $(SWIFT_SOURCES)

lint: ## check the format of the sources
	swift format lint --strict -r $(SWIFT_SOURCES)

docs: ## make the documentation of the SDK, in .build/docs
	@packaging/dependencies build
	@packaging/docs

clean: ## delete what was built
	rm -rf .build
