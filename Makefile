# Two commands are all you need: `make run` and `make test`. The rest is for those who work on Keyreeve.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export DOTNET_NOLOGO := 1
export DOTNET_CLI_TELEMETRY_OPTOUT := 1

DATA ?= ./data
SERVER := src/Keyreeve.Server/bin/Release/net10.0/Keyreeve.Server.dll
# msbuild says nothing when all is well; "dotnet build" would greet a newcomer with its summary.
BUILD := dotnet msbuild -m -restore -v:q -nologo -p:Configuration=Release

.PHONY: help run test check format bench crash sweep-bench fuzz build libraries peers sizes where conformance pack install clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

run: libraries ## build, then serve with demo data (DATA=./data)
	@$(BUILD) src/Keyreeve.Server
	@# exec: signals reach the server itself. A background job of a script starts with SIGINT ignored; the server wants it.
	@exec env --default-signal=INT,TERM dotnet $(SERVER) serve --demo --data $(DATA)

test: libraries peers ## build and run every test; the last line is the count
	@mkdir -p artifacts
	@$(BUILD) Keyreeve.slnx
	@set -o pipefail; dotnet test --solution Keyreeve.slnx -c Release --no-build --no-progress --ignore-exit-code 8 2>&1 | tee artifacts/test.log; rc=$$?; \
	if [ $$rc != 0 ]; then echo; grep -a -A12 '^failed ' artifacts/test.log | cut -c1-300; fi; \
	awk '/^  (failed|succeeded|skipped):/{n[$$1]=$$2} END{printf "%d passed, %d failed, %d skipped\n",n["succeeded:"],n["failed:"],n["skipped:"]}' artifacts/test.log; exit $$rc

check: ## analyzers as errors, and formatting
	@dotnet build Keyreeve.slnx -c Release -v q --nologo --artifacts-path artifacts/check -p:RunAnalyzers=true
	@dotnet format whitespace . --folder --verify-no-changes --include src/ tests/ bench/ fuzz/ samples/

format: ## mend formatting
	@dotnet format whitespace . --folder --include src/ tests/ bench/ fuzz/ samples/

bench: ## the benchmark table, every figure a ratio inside the run (BENCH="--engine sqlite --rows KM --long", BENCH=--help)
	@scripts/install nodejs=node npm=npm
	@$(BUILD) bench/Keyreeve.Bench && dotnet bench/Keyreeve.Bench/bin/Release/net10.0/Keyreeve.Bench.dll $(BENCH)

ROUNDS ?= 1000
crash: libraries peers ## kill -9 at chosen moments, for long: make crash ROUNDS=1000 (SEED=... repeats a run)
	@$(BUILD) tests/Keyreeve.Server.Tests
	@KEYREEVE_CRASH_ROUNDS=$$(( ($(ROUNDS) + 9) / 10 )) KEYREEVE_CRASH_STORE_ROUNDS=$(ROUNDS) $(if $(SEED),KEYREEVE_CRASH_SEED=$(SEED)) \
	dotnet tests/Keyreeve.Server.Tests/bin/Release/net10.0/Keyreeve.Server.Tests.dll -class "Keyreeve.Server.Tests.Faults.*" -parallel none

ROWS ?= 1000000
sweep-bench: ## token requests before, during and after a sweep: make sweep-bench ROWS=10000000 (RATE=60 a second, MINUTES=30 at most)
	@$(BUILD) bench/Keyreeve.SweepBench && dotnet bench/Keyreeve.SweepBench/bin/Release/net10.0/Keyreeve.SweepBench.dll \
	--rows $(ROWS) --rate $(or $(RATE),60) --minutes $(or $(MINUTES),30) $(if $(OLD),--random-keys)

SECONDS ?= 60
fuzz: ## every fuzz target: make fuzz SECONDS=60
	@dotnet run --project fuzz/Keyreeve.Fuzz -c Release -- $(SECONDS)

build: ## build everything, without analyzers
	@$(BUILD) Keyreeve.slnx

conformance: ## write docs/spec/conformance.md anew from clauses.tsv, code and tests
	@$(BUILD) tests/Keyreeve.Server.Tests
	@KEYREEVE_WRITE_CONFORMANCE=1 dotnet run --project tests/Keyreeve.Server.Tests -c Release --no-build -- -class Keyreeve.Server.Tests.Spec.ClausesTests > /dev/null
	@git --no-pager diff --stat docs/spec/conformance.md

where: ## where a clause lives: make where SPEC="TS 33.434 5.3.2"
	@set -- $(SPEC); clause=$${@: -1}; document="$(SPEC)"; document=$${document% *}; \
	echo "code:"; grep -rnF "[Spec(\"$$document\", \"$$clause\")]" src --include='*.cs' | sed 's/^/  /;s/:[^:]*\[Spec.*//'; \
	echo "tests:"; grep -rnF "[Proves(\"$$document\", \"$$clause\")]" tests --include='*.cs' | sed 's/^/  /;s/:[^:]*\[Proves.*//'; \
	echo "said:"; grep -nF "$$clause" docs/spec/choices.md docs/spec/divergences.md docs/spec/clauses.tsv | grep -F "$$document" | cut -c1-160 | sed 's/^/  /'; true

sizes: ## files over 300 lines: is each one thought?
	@git ls-files '*.cs' '*.razor' | xargs wc -l | awk '$$2!="total" && $$1>300' | sort -rn

# System libraries of the server. Installed when root or sudo is there; else the server says what is missing.
libraries:
	@scripts/install libsqlite3-0=libsqlite3.so.0 libgnutls30=libgnutls.so.30

# What the tests speak to. A peer that is missing makes its tests reported as not run.
peers:
	@scripts/install openssl=openssl curl=curl nodejs=node npm=npm chromium=chromium "postgresql=/usr/lib/postgresql/*/bin/postgres"
	@scripts/install "libfaketime=/usr/lib/*/faketime/libfaketimeMT.so.1" iproute2=ip strongswan-swanctl=/usr/sbin/swanctl strongswan-charon=/usr/lib/ipsec/charon libstrongswan-standard-plugins=/usr/lib/ipsec/plugins/libstrongswan-openssl.so

pack: ## the packages for other people's programs, into artifacts/packages
	@for p in Client AspNetCore; do dotnet pack src/Keyreeve.$$p -c Release -v q --nologo -o artifacts/packages; done; ls artifacts/packages

install: ## make install PREFIX=/usr/local
	@dotnet publish src/Keyreeve.Server -c Release -v q --nologo -o $(DESTDIR)$(PREFIX)/lib/keyreeve
	@mkdir -p $(DESTDIR)$(PREFIX)/bin
	@printf '#!/bin/sh\nexec dotnet "$(PREFIX)/lib/keyreeve/Keyreeve.Server.dll" "$$@"\n' > $(DESTDIR)$(PREFIX)/bin/keyreeve
	@chmod 755 $(DESTDIR)$(PREFIX)/bin/keyreeve

PREFIX ?= /usr/local

clean: ## remove what was built
	@rm -rf artifacts; find src tests bench fuzz -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} + 2>/dev/null; true
