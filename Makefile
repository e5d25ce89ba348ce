# Every target is one command; the scripts work without make too.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# What `podjoule version` prints; where git does not know, the Go tool's note.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build the static binary bin/podjoule
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)' -o bin/podjoule .

.PHONY: man
man: ## write the man pages into dist/man; to read one: man -l dist/man/podjoule.1
	SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null)}" go run -ldflags '-X main.version=$(VERSION)' . man dist/man

# For another tag or fewer platforms: make image IMAGE=registry.example/podjoule:v1 PLATFORMS=linux/amd64
IMAGE ?= podjoule:dev
PLATFORMS ?= linux/amd64,linux/arm64

.PHONY: image
image: ## build the container image dist/podjoule-image.tar, without Docker and without a registry
	mkdir -p dist
	cd deploy/image && go run . -source ../.. -o ../../dist/podjoule-image.tar -name '$(IMAGE)' -platforms '$(PLATFORMS)'

.PHONY: packages
packages: ## build packages for Debian and for RPM, for this machine: dist/podjoule.deb and dist/podjoule.rpm
	mkdir -p dist
	deploy/packages/build -o dist/podjoule.deb
	deploy/packages/build -o dist/podjoule.rpm

.PHONY: snapshot
snapshot: ## build all that a release has into dist/release, and publish nothing (the first time builds goreleaser)
	scripts/goreleaser check
	scripts/goreleaser release --snapshot --clean

.PHONY: test
test: ## run all tests; as root also those on real control groups
	go test ./...

.PHONY: race
race: ## run all tests with the race detector (needs a C compiler)
	go test -race ./...

.PHONY: vet
vet: ## run go vet
	go vet ./...
	cd deploy/licenses && go vet ./...
	cd deploy/image && go vet ./...
	cd deploy/packages && go vet ./...
	cd deploy/helm && go vet ./...
	cd e2e && go vet -tags e2e ./...
	cd e2e/receivers && go vet -tags receivers ./...

.PHONY: lint
lint: ## run golangci-lint, installed at its pinned version where it is missing
	scripts/lint

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s) each
	scripts/fuzz

.PHONY: bench
bench: ## run the benchmarks, hold them against their limits, and write docs/performance.md (root: real control groups)
	scripts/bench

.PHONY: bench-v2
bench-v2: ## the same for sweeps over control groups of version 2, in a guest (root; installs qemu and mmdebstrap)
	scripts/bench --guest

.PHONY: profile
profile: ## show where a tick spends its time
	scripts/profile

.PHONY: performance
performance: ## measure what discovery costs the API server, and write its part of docs/performance.md anew
	go test ./docs -run TestDiscoveryCosts -update -count=1

.PHONY: accuracy
accuracy: ## divide the energy of a simulated node whose truth is known, and write docs/accuracy.md anew
	go test ./accuracy -run TestAccuracyDocument -update -count=1

.PHONY: e2e
e2e: ## run the end-to-end tests on a real node, which it makes here (root; the first time builds Kubernetes)
	e2e/run

.PHONY: e2e-v2
e2e-v2: ## run them on a node with cgroup version 2 in a guest (root; installs qemu and mmdebstrap)
	e2e/run --guest

.PHONY: receivers
receivers: ## run podjoule against a real OpenTelemetry Collector and a real Prometheus (the first time builds them)
	e2e/receivers/run

.PHONY: cover
cover: ## write coverage.out and coverage.html, and print the total
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -html=coverage.out -o coverage.html
	go tool cover -func=coverage.out | tail -n 1

.PHONY: demo
demo: ## see it work on a simulated node
	go run . demo

.PHONY: generate
generate: ## write anew what comes from elsewhere: docs/metrics.md, docs/configuration.md, the dashboard, the rules for the Operator
	go test . -run 'Test(Metrics|Configuration)Document$$' -update
	go test ./deploy/grafana ./deploy/prometheus -update

.PHONY: install-tools
install-tools: ## install the linter now, so that lint can work offline
	scripts/lint version

.PHONY: ci
ci: ## run what the continuous integration runs
	.ci/run

.PHONY: clean
clean: ## remove what was built and measured
	rm -rf bin dist coverage.out coverage.html
	find . -name '*.test' -type f -not -path './.git/*' -delete
