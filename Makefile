# `make` alone lists what there is. Every target first installs what is missing (tools/setup), which
# takes no time when nothing is.
.PHONY: help setup demo build test test-more dist bench bench-check fmt lint clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help:
	@echo 'make demo       watch a real job run: server, simulator, progress bar, Parquet files'
	@echo 'make test       everything that must hold before a push; ends with "N passed, N failed"'
	@echo 'make build      build/release/betedge'
	@echo 'make dist       a folder and a tarball that run on a bare Debian 12'
	@echo 'make bench      betedge and its peers side by side, every row; ROW=name runs one, ROW=--list names them'
	@echo 'make bench-check  instruction counts of the hot paths; UPDATE=1 accepts new ones'
	@echo 'make test-more SHARD=…   the longer tests; without SHARD, the list of them'
	@echo 'make fmt, lint  format the sources; check format and clang-tidy'
	@echo 'make clean      remove build/ and dist/ (keeps .deps/)'

setup:
	@tools/setup

demo: setup
	@tools/dev build && tools/demo

build test dist fmt lint: setup
	@tools/dev $@

bench: setup
	@tools/dev bench -- $(ROW)

bench-check: setup
	@tools/dev bench-check $(if $(UPDATE),update)

test-more: setup
	@tools/dev test-more "$(SHARD)"

clean:
	@rm -rf build dist
