# The front door. `make` alone lists what there is; ./go.sh <target> does the same on a machine without make.
#
# PBX is what the demo dials over (make run PBX=ari, esl or both), ARGS passes further arguments to it (ARGS="--once --json"), PKGS narrows test, lint, bench and fuzz to some packages,
# TESTFLAGS goes to go test.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PKGS ?= ./...
ARGS ?=
PBX ?= ari
TESTFLAGS ?=
TEST_LIMIT ?= 15m
FUZZTIME ?= 20s
FUZZARGS ?=
BENCHTIME ?= 1s
GOLANGCI := v2.15.0
GOVULNCHECK := v1.9.0

# Packages whose tests hold conversations or keep times run when the others are done, because a machine that is busy is late, and late speech
# is what they measure. They mostly wait for somebody to speak: two packages, and four conversations within each, go side by side. The
# others compute, or wait for databases: three side by side. The longest begin first, so that none is alone at the end.
imports = {{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}} .
live = internal/lab/(asterisk|sipphone|twin|fstwin|asr)
timed = ringmaster/(adapter/speech/.*|internal/(scheduler|outbox))
long = ringmaster/(internal/(app|scheduler|api|turn|call|dialogue/check|compliance)|cmd/ringmaster|adapter/store|adapter/asterisk)
longest_first = { all=$$(cat); grep -xE '$(long)' <<<"$$all" || true; grep -vxE '$(long)' <<<"$$all" || true; }

# A program under the race detector sleeps a second before it ends, which is time lost with so many; and SQLite, C made into Go by others and
# the largest part of what the detector would watch, is taken from its sight. Everything of ours is watched.
race = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false

# The product is pure Go; only the race detector needs a C compiler.
build_ringmaster = [ -x bin/ringmaster ] || echo "building ringmaster (the first time this takes a minute or two)"; CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/ringmaster

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## several calls to scripted callees, printed as they happen; nothing else is needed (PBX=esl: over FreeSWITCH's event socket, both: half by each)
	@setup/run.sh
	@$(build_ringmaster)
	@exec bin/ringmaster demo --pbx $(PBX) $(ARGS)

.PHONY: run-asterisk
run-asterisk: ## the same over a real Asterisk 22 that this command installs beside the project, with an account for your softphone
	@setup/run.sh
	@setup/asterisk.sh
	@$(build_ringmaster)
	@exec bin/ringmaster demo --pbx asterisk $(ARGS)

.PHONY: build
build: ## the programs, in bin/
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: test
test: ## install what the tests need, then every test with the race detector; the last line names what could not be run
	@setup/all.sh
	@mkdir -p .local/log
	@export RINGMASTER_TEST_ENV=full GORACE=atexit_sleep_ms=0; go_test="go test $(race) -count=1 -timeout=$(TEST_LIMIT) -json $(TESTFLAGS)"; \
	all=$$(go list $(PKGS) | $(longest_first)); \
	live=$$(go list -f '$(imports)' $(PKGS) | sed -nE 's#^([^ ]*) .*$(live).*#\1#p'; grep -xE '$(timed)' <<<"$$all" || true); \
	rest=$$(grep -vxF "$${live:-none}" <<<"$$all" || true); \
	live=$$(grep -xF "$${live:-none}" <<<"$$all" || true); \
	{ \
		status=0; \
		[ -z "$$rest" ] || $$go_test -p 3 $$rest || status=1; \
		[ -z "$$live" ] || $$go_test -p 2 -parallel 4 $$live || status=1; \
		exit $$status; \
	} | tee .local/log/test.json | go run ./cmd/rows watch

.PHONY: rows
rows: ## the rows of the plan that have landed: row, test, result
	@setup/all.sh
	@mkdir -p .local/log
	@export RINGMASTER_TEST_ENV=full GORACE=atexit_sleep_ms=0; \
	go test $(race) -count=1 -p 1 -timeout=$(TEST_LIMIT) -json -run '^TestRow_' $(TESTFLAGS) $(PKGS) \
		| tee .local/log/rows.json | go run ./cmd/rows table docs/rows.txt

.PHONY: lint
lint: .local/bin/golangci-lint-$(GOLANGCI) ## gofmt, go vet, golangci-lint, tidy go.mod
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt -w is due on:"; echo "$$bad"; exit 1; }
	@go vet $(PKGS)
	@.local/bin/golangci-lint-$(GOLANGCI) run $(PKGS)
	@go mod tidy -diff

# The tool is built by this machine's Go from the module proxy, at one version, so that a new release changes nothing unasked.
.local/bin/golangci-lint-$(GOLANGCI):
	@echo "lint: building golangci-lint $(GOLANGCI) (once, some minutes)"
	@mkdir -p .local/bin .local/golangci
	@GOBIN=$(CURDIR)/.local/golangci GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) || \
		{ echo "lint: golangci-lint $(GOLANGCI) cannot be fetched from the module proxy ($$(go env GOPROXY))"; exit 1; }
	@mv .local/golangci/golangci-lint $@

.PHONY: vuln
vuln: ## known vulnerabilities in what we import (asks vuln.go.dev)
	@go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) $(PKGS)

.PHONY: bench
bench: ## every benchmark
	@go test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem $(TESTFLAGS) $(PKGS)

.PHONY: measure
measure: ## the tables of docs/measured, on a machine that does nothing else (half an hour): claims, live dialogues, telephones
	@setup/all.sh
	@mkdir -p docs/measured
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/ringmaster
	@for what in claims calls wire; do \
		echo "measure: $$what"; \
		bin/ringmaster bench $$what --write docs/measured; \
	done

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' $(PKGS) | while read -r pkg; do \
		go test -list '^Fuzz' "$$pkg" </dev/null | { grep '^Fuzz' || true; } | while read -r target; do \
			echo "fuzz: $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null; \
		done; \
	done

# Each step is run once for a commit: what has passed is not run again, so that an interrupted prove goes on where it was (.local/prove).
step = @go run ./cmd/prove step
full = RINGMASTER_PROVE=1 RINGMASTER_TEST_ENV=full go test -count=1 -v

.PHONY: prove
prove: ## everything that a release has to pass, each test at its full count; goes on where it was, writes docs/measured/prove.md
	$(step) lint make lint
	$(step) test make test
	$(step) rows make rows
	$(step) permits $(full) -run '^TestRow_(M2|M15)_' ./adapter/store ./internal/scheduler ./internal/compliance/ledger
	$(step) replay $(full) -run '^TestRow_M4_' ./internal/call
	$(step) replay-wire $(full) -timeout=30m -run '^TestRow_M4_' ./internal/app
	$(step) exchanges $(full) -timeout=60m -run '^TestRow_(M5|M14)_' ./cmd/ringmaster
	$(step) kills $(full) -timeout=180m -run '^TestRow_M3_' ./cmd/ringmaster
	$(step) labels $(full) -run '^TestRow_M13_' ./internal/label
	$(step) conversations $(full) -timeout=30m ./scripts
	$(step) auditor RINGMASTER_AUDIT_ROWS=1000000 RINGMASTER_EXPLAIN_DAY=1 go test -count=1 -v -timeout=60m -run '^TestRow_(T23_AnAuditors|M1_TheReasons)' ./internal/api
	$(step) voice-stops $(full) -timeout=30m -run 'M7_OurVoice|CanariesOfReal' ./internal/app
	$(step) telephones $(full) -timeout=30m -run '^TestRow_M11_|^TestLiveDialogues' ./internal/app/bench
	$(step) silences $(full) -timeout=30m -run '^TestRow_M16_' ./internal/call ./internal/app
	$(step) bad-input $(full) -run 'BadPhone|BadNumber|T24_No' ./internal/phone ./adapter/asterisk ./adapter/freeswitch ./internal/api ./adapter/webhook
	$(step) providers $(full) -timeout=30m -run '^Test(ProvidersFail|ProviderFaults)' ./internal/app ./internal/call
	$(step) bad-lines $(full) -timeout=30m -run '^Test(ABadLine|Hazard)' ./internal/app ./internal/lab/twin ./internal/lab/fstwin
	$(step) databases $(full) -timeout=30m -run 'ADatabaseThatFails|LostCommits' ./cmd/ringmaster ./adapter/store
	$(step) soak RINGMASTER_TEST_ENV=full RINGMASTER_SOAK=$(SOAK) go test -count=1 -v -timeout=0 -run '^TestSoak$$' ./cmd/ringmaster
	@go run ./cmd/prove report docs/measured/prove.md
	@$(MAKE) prove-fuzz

.PHONY: prove-fuzz
prove-fuzz: ## 10,000,000 executions of every fuzz target over as many sittings as it takes (FUZZARGS="-limit 1h"); writes docs/measured/fuzz.md
	@go run ./cmd/prove fuzz -write docs/measured/fuzz.md $(FUZZARGS) $(PKGS)

SOAK ?= 1h
.PHONY: soak
soak: ## calls on one controller for SOAK (1h), RINGMASTER_SOAK_CALLS at once (20): what failed, and whether memory, goroutines or descriptors grow
	RINGMASTER_TEST_ENV=full RINGMASTER_SOAK=$(SOAK) go test -count=1 -v -timeout=0 -run '^TestSoak$$' ./cmd/ringmaster

.PHONY: clean
clean: ## remove built programs and logs; CLEAN=all also removes the installed parts (.local)
	@rm -rf bin .local/log
	@if [ "$(CLEAN)" = all ]; then setup/clean.sh; fi
